package creemsim

import (
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
)

//go:embed checkout.html
var checkoutPage string

// pageData is what the hosted checkout shows.
type pageData struct {
	Status      string
	Product     string
	Description string
	Units       int
	Period      string // empty: bought once
	TrialDays   int
	SubTotal    string
	Discount    string // empty: none
	Tax         string
	TaxPercent  int
	Total       string
	Email       string
	EmailFixed  bool
	Fields      []customField
	Note        string // what went wrong
}

// servePage is the hosted checkout that a person sees. It works without scripts.
func (s *Sim) servePage(w http.ResponseWriter, r *http.Request, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.Clock.Advance()
	s.showPage(w, r)
}

// showPage writes the page of a checkout as it is. The caller holds mu.
func (s *Sim) showPage(w http.ResponseWriter, r *http.Request) {
	c, err := s.findCheckout(r.PathValue("id"))
	if err != nil {
		http.Error(w, "There is no such checkout.", http.StatusNotFound)

		return
	}

	w.Header().Set("Content-Type", "text/html; charset=utf-8")

	page := template.Must(template.New("checkout").Parse(checkoutPage))
	_ = page.Execute(w, c.describePage()) // the reader may have gone
}

func (c *checkout) describePage() pageData {
	p, currency := c.computePrice(), c.product.Currency
	data := pageData{
		Status: c.status, Product: c.product.Name, Description: c.product.Description, Units: c.units, TrialDays: c.product.TrialDays,
		SubTotal: formatMoney(p.subTotal, currency), Tax: formatMoney(p.tax, currency), TaxPercent: taxPercent, Total: formatMoney(p.total, currency),
		Email: c.email, EmailFixed: c.customer != nil, Fields: c.fields, Note: c.note,
	}

	if c.product.BillingType == BillingRecurring {
		data.Period = strings.ReplaceAll(c.product.BillingPeriod, "-", " ")
	}

	if p.discount > 0 {
		data.Discount = formatMoney(p.discount, currency)
	}

	return data
}

func formatMoney(minor int64, currency string) string {
	return fmt.Sprintf("%s %d.%02d", currency, minor/100, minor%100)
}

// servePageForm is what the buttons of the page do: pay, decline, abandon.
func (s *Sim) servePageForm(w http.ResponseWriter, r *http.Request, body []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()

	s.Clock.Advance()

	form, errForm := url.ParseQuery(string(body))
	c, err := s.findCheckout(r.PathValue("id"))

	if err != nil || errForm != nil || c.status != checkoutPending {
		s.showPage(w, r)

		return
	}

	switch form.Get("action") {
	case "pay":
		if c.fillForm(form) {
			paid := s.completeCheckout(c, form.Get("email"))
			s.Clock.Advance()

			if paid.ReturnURL != "" {
				http.Redirect(w, r, paid.ReturnURL, http.StatusSeeOther)

				return
			}
		}
	case "decline":
		s.declineCheckout(c)
	case "abandon":
		c.expire()
	}

	s.showPage(w, r)
}

// fillForm takes in what the buyer wrote. It reports false when something is missing.
func (c *checkout) fillForm(form url.Values) bool {
	if c.customer == nil && !strings.Contains(form.Get("email"), "@") {
		c.note = "Please enter your email address."

		return false
	}

	for i := range c.fields {
		f := &c.fields[i]
		f.value = form.Get("field_" + f.Key)

		if f.value == "" && !f.Optional {
			c.note = "Please fill in: " + f.Label

			return false
		}
	}

	return true
}
