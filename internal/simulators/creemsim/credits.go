package creemsim

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// creditAccount is a balance that Creem keeps of a customer. Only as much of it is here as it takes to see the
// other shape of errors, and a call that is replayed.
type creditAccount struct {
	id, name, unit string
	customer       *customer
	balance        int64
	booked         map[string]booking // by idempotency key
	created        time.Time
}

// booking is a credit or debit that was made, and its answer.
type booking struct {
	side, amount, reference string
	answer                  object
}

// creditsError is an error of the endpoints for credits, which have a shape of their own.
func creditsError(status int, code, message string) error {
	kind := "invalid_request_error"
	if status >= http.StatusInternalServerError {
		kind = "api_error"
	}

	return &problem{status: status, title: kind, messages: []string{message}, code: code}
}

// renderCredits is that shape.
func (p *problem) renderCredits(requestID string) object {
	return object{"error": object{
		"type": p.title, "code": p.code, "message": strings.Join(p.messages, "; "), "param": nil, "request_id": requestID,
	}}
}

func (s *Sim) routeCredits(mux *http.ServeMux) {
	mux.Handle("POST /v1/customer-credits/accounts", s.serveAPI(RouteCredits, s.createAccount))
	mux.Handle("GET /v1/customer-credits/accounts/{id}/balance", s.serveAPI(RouteCredits, func(c *call) (any, error) {
		a, err := s.findAccount(c.r.PathValue("id"))
		if err != nil {
			return nil, err
		}

		return object{"balance": strconv.FormatInt(a.balance, 10), "updated_at": formatTime(c.now)}, nil
	}))

	for _, side := range []string{"credit", "debit"} {
		mux.Handle("POST /v1/customer-credits/accounts/{id}/"+side, s.serveAPI(RouteCredits, func(c *call) (any, error) { return s.bookCredits(c, side) }))
	}
}

func (s *Sim) findAccount(id string) (*creditAccount, error) {
	for _, a := range s.accounts {
		if a.id == id {
			return a, nil
		}
	}

	return nil, creditsError(http.StatusNotFound, "not_found", "No such account")
}

func (s *Sim) createAccount(c *call) (any, error) {
	var in struct {
		Customer string `json:"customer_id"`
		Name     string `json:"name"`
		Unit     string `json:"unit_label"`
		Initial  string `json:"initial_balance"`
	}
	if err := c.readBody(&in); err != nil {
		return nil, creditsError(http.StatusBadRequest, "invalid_request", err.Error())
	}

	owner, err := s.findCustomer(in.Customer)
	if err != nil {
		return nil, creditsError(http.StatusNotFound, "not_found", "No such customer")
	}

	for _, a := range s.accounts {
		if a.customer == owner && strings.EqualFold(a.name, in.Name) {
			return nil, creditsError(http.StatusConflict, "account_exists", "The customer has an account of this name")
		}
	}

	balance, err := readAmount(in.Initial, "0")
	if err != nil {
		return nil, err
	}

	a := &creditAccount{id: s.newID("cca"), name: in.Name, unit: in.Unit, customer: owner, balance: balance, booked: map[string]booking{}, created: c.now}
	s.accounts = append(s.accounts, a)

	return created{body: object{
		"id": a.id, "store_id": storeID, "customer_id": owner.id, "name": a.name, "unit_label": a.unit, "status": "active",
		"created_at": formatTime(c.now), "updated_at": formatTime(c.now),
	}}, nil
}

// readAmount reads a whole number that is written as a text.
func readAmount(text, otherwise string) (int64, error) {
	if text == "" {
		text = otherwise
	}

	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, creditsError(http.StatusBadRequest, "invalid_amount", "amount must be a decimal string")
	}

	return n, nil
}

// bookCredits adds to a balance or takes from it, once for each idempotency key.
func (s *Sim) bookCredits(c *call, side string) (any, error) {
	a, err := s.findAccount(c.r.PathValue("id"))
	if err != nil {
		return nil, err
	}

	var in struct {
		Amount    string `json:"amount"`
		Reference string `json:"reference"`
		Key       string `json:"idempotency_key"`
	}
	if err := c.readBody(&in); err != nil {
		return nil, creditsError(http.StatusBadRequest, "invalid_request", err.Error())
	}

	amount, err := readAmount(in.Amount, "none")
	if err != nil {
		return nil, err
	}

	if before, is := a.booked[in.Key]; is {
		if before.side != side || before.amount != in.Amount || before.reference != in.Reference {
			return nil, creditsError(http.StatusConflict, "idempotency_conflict", "The key was used for something else")
		}

		return created{body: before.answer, header: http.Header{"X-Idempotent-Replay": {"true"}}}, nil
	}

	if side == "debit" {
		amount = -amount
	}

	if a.balance+amount < 0 {
		return nil, creditsError(http.StatusUnprocessableEntity, "insufficient_balance", "The balance is too small")
	}

	a.balance += amount
	id := s.newID("cct")
	answer := object{
		"id": id, "store_id": storeID, "reference": in.Reference, "idempotency_key": in.Key, "reversal_of": nil, "created_at": formatTime(c.now),
		"entries": []object{{"id": s.newID("cce"), "transaction_id": id, "account_id": a.id, "side": side, "amount": in.Amount, "created_at": formatTime(c.now)}},
	}
	a.booked[in.Key] = booking{side, in.Amount, in.Reference, answer}

	return created{body: answer}, nil
}
