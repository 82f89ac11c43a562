package httpapi

import (
	"net/http"

	"imagerun/internal/publicid"
)

// showReceipt is GET /v1/orders/{id}/receipt: an order as a page to print.
func (s *server) showReceipt(w http.ResponseWriter, r *http.Request) {
	userID, id, err := parseOwnedID(r.Context(), publicid.PrefixOrder, r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)

		return
	}

	o, err := s.Payments.Orders.Get(r.Context(), userID, id)
	if err != nil {
		s.fail(w, r, err)

		return
	}

	s.servePage(w, r, "receipt.html", renderOrder(o))
}
