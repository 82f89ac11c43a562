package creemsim

import (
	_ "embed"
	"errors"
	"net/http"
	"slices"

	"imagerun/internal/simulators/kit/knobs"
)

//go:embed control.html
var controlPage string

// Control serves the back door: the kit's, and what only Creem has. [Sim.Handler] has it on its own address as
// well. It has no login: never put it on an address that others reach.
func (s *Sim) Control() http.Handler {
	mux := s.Kit.Control()
	mux.HandleFunc("GET /_control/checkouts", s.listCheckouts)
	mux.HandleFunc("POST /_control/checkouts/{id}/pay", func(w http.ResponseWriter, r *http.Request) {
		paid, err := s.PayCheckout(r.PathValue("id"))
		answerControl(w, paid, err)
	})
	mux.HandleFunc("POST /_control/checkouts/{id}/decline", func(w http.ResponseWriter, r *http.Request) {
		answerControl(w, object{}, s.DeclineCheckout(r.PathValue("id")))
	})
	mux.HandleFunc("POST /_control/checkouts/{id}/abandon", func(w http.ResponseWriter, r *http.Request) {
		answerControl(w, object{}, s.AbandonCheckout(r.PathValue("id")))
	})
	mux.HandleFunc("POST /_control/orders/{id}/refund", s.postRefund)
	mux.HandleFunc("POST /_control/orders/{id}/dispute", func(w http.ResponseWriter, r *http.Request) {
		answerControl(w, object{}, s.Dispute(r.PathValue("id")))
	})
	mux.HandleFunc("GET /_control/events", func(w http.ResponseWriter, _ *http.Request) { knobs.Answer(w, http.StatusOK, s.Events()) })
	mux.HandleFunc("POST /_control/webhooks", s.postEndpoint)

	return mux
}

// answerControl answers what a method of the simulator did, or why it did not.
func answerControl(w http.ResponseWriter, body any, err error) {
	p, ok := errors.AsType[*problem](err)

	switch {
	case err == nil:
		knobs.Answer(w, http.StatusOK, body)
	case ok && p.status == http.StatusNotFound:
		knobs.Refuse(w, http.StatusNotFound, err)
	default:
		knobs.Refuse(w, http.StatusConflict, err)
	}
}

func (s *Sim) listCheckouts(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.Clock.Advance()

	out := []object{}

	for _, c := range slices.Backward(s.checkouts) {
		one := renderCheckout(c)
		one["email"], one["total"], one["currency"] = c.email, c.computePrice().total, c.product.Currency
		out = append(out, one)
	}

	knobs.Answer(w, http.StatusOK, out)
}

// postRefund gives a payment back; without a body all of it.
func (s *Sim) postRefund(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Amount int64 `json:"amount"`
	}
	if r.ContentLength != 0 && !knobs.Read(w, r, &in) {
		return
	}

	answerControl(w, object{}, s.Refund(r.PathValue("id"), in.Amount))
}

func (s *Sim) postEndpoint(w http.ResponseWriter, r *http.Request) {
	var in struct {
		URL    string   `json:"url"`
		Events []string `json:"events"`
	}
	if !knobs.Read(w, r, &in) {
		return
	}

	errs := []error{}
	if in.URL == "" {
		errs = append(errs, errors.New("url: must not be empty"))
	}

	for _, kind := range in.Events {
		errs = append(errs, knobs.CheckOneOf("events", kind, eventTypes()))
	}

	if err := errors.Join(errs...); err != nil {
		knobs.Refuse(w, http.StatusBadRequest, err)

		return
	}

	knobs.Answer(w, http.StatusCreated, object{"secret": s.AddEndpoint(in.URL, in.Events...)})
}
