package httpapi

import (
	"net/http"

	"imagerun/internal/fault"
	"imagerun/internal/payments/products"
)

// Payments is what is behind the routes of buying. All are required.
type Payments struct {
	Checkouts     Checkouts
	Orders        Orders
	Subscriptions Subscriptions
	Withdrawals   Withdrawals
	Webhooks      http.Handler // takes the payment provider's; it verifies them itself
}

var errNothingSold = fault.New(fault.NotFound, "not_found", "Nothing is sold here.")

// whereSold lets next answer where something is sold.
func (s *server) whereSold(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.Payments == nil {
			s.fail(w, r, errNothingSold)

			return
		}

		next(w, r)
	}
}

// textOrNull is a text as JSON has it that may not be there.
func textOrNull(text string) *string {
	if text == "" {
		return nil
	}

	return &text
}

// nameOf is the name of a product, null when it is none of ours.
func nameOf(p products.Product) *string { return textOrNull(p.Name) }
