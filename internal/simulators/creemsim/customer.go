package creemsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// customer is somebody who buys.
type customer struct {
	id, email, name, externalID string
	metadata                    json.RawMessage // nil: none
	created, updated            time.Time
}

func (s *Sim) findCustomer(id string) (*customer, error) {
	for _, c := range s.customers {
		if c.id == id {
			return c, nil
		}
	}

	return nil, notFound("Customer not found")
}

// findByEmail returns a customer or nil.
func (s *Sim) findByEmail(email string) *customer {
	for _, c := range s.customers {
		if c.email == strings.ToLower(email) {
			return c
		}
	}

	return nil
}

// addCustomer makes a customer of an address, or returns the one who has it.
func (s *Sim) addCustomer(email, name string, at time.Time) *customer {
	if known := s.findByEmail(email); known != nil {
		return known
	}

	c := &customer{id: s.newID("cust"), email: strings.ToLower(email), name: name, created: at, updated: at}
	s.customers = append(s.customers, c)

	return c
}

func renderCustomer(c *customer) object {
	out := object{
		"id": c.id, "mode": modeTest, "object": "customer", "email": c.email, "country": taxCountry,
		"created_at": formatTime(c.created), "updated_at": formatTime(c.updated),
	}

	if c.name != "" {
		out["name"] = c.name
	}

	if c.externalID != "" {
		out["external_id"] = c.externalID
	}

	if c.metadata != nil {
		out["metadata"] = c.metadata
	}

	return out
}

func (s *Sim) routeCustomers(mux *http.ServeMux) {
	mux.Handle("GET /v1/customers", s.serveAPI(RouteCustomers, s.readCustomer))
	mux.Handle("POST /v1/customers", s.serveAPI(RouteCustomers, s.createCustomer))
	mux.Handle("PATCH /v1/customers", s.serveAPI(RouteCustomers, s.changeCustomer))
	mux.Handle("GET /v1/customers/list", s.serveAPI(RouteCustomers, func(c *call) (any, error) {
		return listPage(c, 50, newestFirst(s.customers), renderCustomer)
	}))
	mux.Handle("GET /v1/customers/{id}/orders", s.serveAPI(RouteCustomers, func(c *call) (any, error) {
		return listPage(c, 10, newestFirst(s.orders, func(o *order) bool { return o.customer.id == c.r.PathValue("id") }), renderOrder)
	}))
	mux.Handle("GET /v1/customers/{id}/subscriptions", s.serveAPI(RouteCustomers, func(c *call) (any, error) {
		return listPage(c, 10, newestFirst(s.subscriptions, func(sub *subscription) bool { return sub.customer.id == c.r.PathValue("id") }), renderSubscription)
	}))
	mux.Handle("GET /v1/customers/{id}/licenses", s.serveAPI(RouteCustomers, func(c *call) (any, error) {
		return listPage(c, 10, nil, func(object) object { return nil }) // there are none
	}))
	mux.Handle("POST /v1/customers/billing", s.serveAPI(RouteBilling, s.linkPortal))
}

// newestFirst returns what all conditions keep of a list that is in order of age.
func newestFirst[T any](list []T, conditions ...func(T) bool) []T {
	var out []T

	for _, one := range slices.Backward(list) {
		if !slices.ContainsFunc(conditions, func(keep func(T) bool) bool { return !keep(one) }) {
			out = append(out, one)
		}
	}

	return out
}

func (s *Sim) readCustomer(c *call) (any, error) {
	if email := c.readQuery("email"); email != "" {
		if found := s.findByEmail(email); found != nil {
			return renderCustomer(found), nil
		}

		return nil, notFound("Customer not found")
	}

	found, err := s.findCustomer(c.readQuery("customer_id"))
	if err != nil {
		return nil, err
	}

	return renderCustomer(found), nil
}

// customerFields are what create and patch may say of a customer. A null clears.
type customerFields struct {
	ID         string          `json:"customer_id"`
	Name       *string         `json:"name"`
	Email      *string         `json:"email"`
	Metadata   json.RawMessage `json:"metadata"`
	ExternalID json.RawMessage `json:"external_id"`
}

func (s *Sim) createCustomer(c *call) (any, error) {
	var in customerFields
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	if in.Email == nil || !strings.Contains(*in.Email, "@") {
		return nil, badRequest("email must be an email")
	}

	if s.findByEmail(*in.Email) != nil {
		return nil, badRequest("Customer already exists")
	}

	made := s.addCustomer(*in.Email, "", c.now)

	return s.editCustomer(made, in, c.now)
}

func (s *Sim) changeCustomer(c *call) (any, error) {
	var in customerFields
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	found, err := s.findCustomer(in.ID)
	if err != nil {
		return nil, err
	}

	if in.Email != nil {
		if other := s.findByEmail(*in.Email); other != nil && other != found {
			return nil, &problem{status: http.StatusConflict, title: "Conflict", messages: []string{"Email is already in use"}}
		}

		found.email = strings.ToLower(*in.Email)
	}

	return s.editCustomer(found, in, c.now)
}

func (s *Sim) editCustomer(to *customer, in customerFields, now time.Time) (any, error) {
	if in.Name != nil {
		to.name = *in.Name
	}

	if len(in.Metadata) > 0 {
		to.metadata = in.Metadata
		if bytes.Equal(in.Metadata, []byte("null")) {
			to.metadata = nil
		}
	}

	if len(in.ExternalID) > 0 {
		to.externalID = ""
		if err := json.Unmarshal(in.ExternalID, &to.externalID); err != nil {
			return nil, badRequest("external_id must be a string")
		}
	}

	to.updated = now

	return renderCustomer(to), nil
}

func (s *Sim) linkPortal(c *call) (any, error) {
	var in customerFields
	if err := c.readBody(&in); err != nil {
		return nil, err
	}

	found, err := s.findCustomer(in.ID)
	if err != nil {
		return nil, err
	}

	return object{"customer_portal_link": s.Base(c.r) + "/portal/" + found.id}, nil
}
