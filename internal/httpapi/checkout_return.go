package httpapi

import (
	"context"
	"log/slog"
	"net/http"

	"imagerun/internal/auth"
	"imagerun/internal/fault"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/publicid"
)

// returnView is what the page shows to which the payment provider sends people back. The zero value shows nothing of anybody.
type returnView struct {
	Checkout

	Waiting bool // it may still be paid, or was and we have not seen it
}

// showReturn is GET /checkout/return/{id}. What its address says proves nothing: it shows what our row has, to its owner, and the same
// sentence to everybody else, whatever they ask for.
func (s *server) showReturn(w http.ResponseWriter, r *http.Request) {
	var view returnView

	if c, found := s.findReturned(w, r); found {
		view = returnView{Checkout: renderCheckout(c), Waiting: !c.Status.Ended()}
	}

	s.servePage(w, r, "return.html", view)
}

// findReturned finds the checkout of a return, if its owner asks. Their asking is a reason to look at it.
func (s *server) findReturned(w http.ResponseWriter, r *http.Request) (checkout.Checkout, bool) {
	id, ok := publicid.Parse(publicid.PrefixCheckout, r.PathValue("id"))
	if !ok || s.Payments == nil {
		return checkout.Checkout{}, false
	}

	ctx, cancel := context.WithTimeout(r.Context(), answerTime)
	defer cancel()

	p, err := s.admitCaller(w, r.WithContext(ctx), access{scope: auth.ScopeCreditsRead})
	if err != nil {
		return checkout.Checkout{}, false
	}

	c, err := s.Payments.Checkouts.Ask(ctx, p.UserID, id)
	if err != nil && fault.Of(err).Kind != fault.NotFound {
		s.Logger.WarnContext(ctx, "checkout could not be shown", slog.String("request_id", exchangeOf(ctx).requestID), slog.Any("error", err))
	}

	return c, err == nil
}
