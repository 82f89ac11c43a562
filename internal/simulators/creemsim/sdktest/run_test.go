package sdktest_test

import (
	"net/http/httptest"
	"testing"

	"imagerun/internal/simulators/creemsim"
	"imagerun/internal/simulators/sdkkit"
)

const (
	key = "creem_test_key"

	pack    = "prod_pack"
	monthly = "prod_monthly"
	dearer  = "prod_dearer"
)

// run has Creem's client play a scenario against a simulator of its own.
func run[T any](t *testing.T, scenario string) (T, *creemsim.Sim) {
	t.Helper()

	plan := func(id string, price int64) creemsim.Product {
		return creemsim.Product{ID: id, Name: id, Description: "A plan", Price: price, BillingType: creemsim.BillingRecurring}
	}
	trial := plan("prod_trial", 1100)
	trial.TrialDays = 7

	sim := creemsim.New(creemsim.Options{
		APIKey: key, Seed: 1, AllowPrivateCallbacks: true,
		Products: []creemsim.Product{{ID: pack, Name: "Pack", Description: "500 credits", Price: 1000}, plan(monthly, 1000), plan(dearer, 3000), trial},
	})
	server := httptest.NewServer(sim.Handler())

	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})

	return sdkkit.Run[T](t, sdkkit.Script{Dir: ".", Name: "sdk.mjs", Args: []string{server.URL, key, scenario}}), sim
}

// entity is what the client makes of any of Creem's objects: the members that tests look at.
type entity struct {
	ID               string           `json:"id"`
	Status           string           `json:"status"`
	Object           string           `json:"object"`
	Name             string           `json:"name"`
	Code             string           `json:"code"`
	Email            string           `json:"email"`
	ExternalID       string           `json:"externalId"`
	Price            int64            `json:"price"`
	Amount           any              `json:"amount"`
	AmountPaid       int64            `json:"amountPaid"`
	BillingPeriod    string           `json:"billingPeriod"`
	RequestID        string           `json:"requestId"`
	CheckoutURL      string           `json:"checkoutUrl"`
	Order            any              `json:"order"`
	Subscription     string           `json:"subscription"`
	Product          any              `json:"product"`
	Type             string           `json:"type"`
	Items            []item           `json:"items"`
	CustomFields     []map[string]any `json:"customFields"`
	Metadata         map[string]any   `json:"metadata"`
	Secret           string           `json:"secret"`
	DeliveryMode     string           `json:"deliveryMode"`
	NextTransaction  string           `json:"nextTransactionDate"`
	LastTransaction  any              `json:"lastTransaction"`
	DurationInMonths int              `json:"durationInMonths"`
	ExpiryDate       string           `json:"expiryDate"`
	CreatedAt        any              `json:"createdAt"`
}

type item struct {
	ProductID string `json:"productId"`
	Units     int    `json:"units"`
}

// failure is an error of the client.
type failure struct {
	Name   string         `json:"name"`
	Status int            `json:"status"`
	Body   map[string]any `json:"body"`
	Code   string         `json:"code"` // of a typed one
}

// read finds a member of an entity within another.
func read(in any, name string) any {
	object, _ := in.(map[string]any)

	return object[name]
}

func listIDs(list []entity) []string {
	out := []string{}
	for _, e := range list {
		out = append(out, e.ID)
	}

	return out
}

func listStatuses(list []entity) []string {
	out := []string{}
	for _, e := range list {
		out = append(out, e.Status)
	}

	return out
}
