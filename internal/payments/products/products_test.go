package products_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/payments/products"
	"imagerun/internal/plan"
)

// What is built in is sold in the test environment, and its plans are plans.
func TestLoad_Embedded(t *testing.T) {
	t.Parallel()

	sold, err := products.Load(nil, products.Test)
	require.NoError(t, err)
	require.NotEmpty(t, sold.Sold())

	plans, err := plan.Load(nil)
	require.NoError(t, err)

	for _, p := range sold.Sold() {
		for _, price := range p.Prices {
			found, ok := sold.OfVendor(sold.VendorID(price))
			require.True(t, ok, p.ID)
			require.Equal(t, p.ID, found.ID)
		}

		if p.Kind == products.Plan {
			_, ok := plans.Find(p.Plan)
			require.True(t, ok, p.ID)
		}
	}
}

// Every mistake of a file is said at once.
func TestLoad_SaysWhatIsWrong(t *testing.T) {
	t.Parallel()

	_, err := products.Load([]byte(`{"products": [
		{"id": "A", "kind": "pack", "name": "a", "description": "a", "credits": 0, "prices": [{"currency": "GBP", "amount": 1, "vendor_ids": {}}]},
		{"id": "b", "kind": "plan", "name": "b", "description": "b", "credits": 1, "interval": "week", "prices": []},
		{"id": "b", "kind": "gift", "name": "", "description": "", "credits": 1, "prices": [{"currency": "EUR", "amount": 100, "vendor_ids": {}}]}
	]}`), products.Test)

	for _, what := range []string{
		`"A": the id is small letters`, "credits are 1 to", "a currency is EUR or USD", "an amount is 100", "a plan needs plan and rank", "interval is month or year",
		"a price is needed", "the id is there twice", "name and description are needed", "kind is pack or plan",
	} {
		require.ErrorContains(t, err, what)
	}

	_, err = products.Load([]byte(`{"products": [], "discounts": []}`), products.Test)
	require.ErrorContains(t, err, "discounts")
}

// Months are counted from the first, and end with their last day.
func TestAddMonths(t *testing.T) {
	t.Parallel()

	start := time.Date(2027, 1, 31, 12, 30, 0, 0, time.UTC)
	for months, want := range map[int]string{0: "2027-01-31", 1: "2027-02-28", 2: "2027-03-31", 3: "2027-04-30", 12: "2028-01-31", 13: "2028-02-29"} {
		require.Equal(t, want+"T12:30:00Z", products.AddMonths(start, months).Format(time.RFC3339))
	}
}

// What was paid for how long says what it was for, unless several cost the same.
func TestPlanPaid(t *testing.T) {
	t.Parallel()

	sold, err := products.Load(nil, products.Test)
	require.NoError(t, err)

	start := time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	month, year := products.AddMonths(start, 1), products.AddMonths(start, 12)

	p, ok := sold.PlanPaid("EUR", 1500, start, month)
	require.True(t, ok)
	require.Equal(t, "pro-monthly", p.ID)

	p, ok = sold.PlanPaid("USD", 15000, start, year)
	require.True(t, ok)
	require.Equal(t, "pro-yearly", p.ID)

	for _, paid := range []struct {
		currency string
		net      int64
		end      time.Time
	}{{"EUR", 1499, month}, {"EUR", 1500, year}, {"EUR", 500, month}, {"GBP", 1500, month}} {
		_, ok = sold.PlanPaid(paid.currency, paid.net, start, paid.end)
		require.False(t, ok, paid)
	}
}
