package payments

import (
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/creem"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/products"
	"imagerun/internal/redact"
	"imagerun/internal/simulators/creemsim"
)

const vendorKey = "creem_test_key"

// serveVendor serves a vendor that sells what we do, as edited, two hours ago; it returns how to reach it.
func serveVendor(t *testing.T, edit func([]creemsim.Product) []creemsim.Product) (environ []string, sim *creemsim.Sim, url string) {
	t.Helper()

	var sold []creemsim.Product

	shop := paymentstest.Products(t)
	for _, p := range shop.All() {
		for _, price := range p.Prices {
			one := creemsim.Product{ID: shop.VendorID(price), Name: p.Name, Description: p.Description, Price: price.Amount, Currency: price.Currency}
			if p.Kind == products.Plan {
				one.BillingType, one.BillingPeriod = creemsim.BillingRecurring, "every-"+string(p.Interval)
			}

			sold = append(sold, one)
		}
	}

	sim = creemsim.New(creemsim.Options{APIKey: vendorKey, Products: edit(sold), Now: func() time.Time { return time.Now().Add(-2 * time.Hour) }})
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		sim.Close()
	})

	return []string{"IMAGERUN_ENV=development", "IMAGERUN_CREEM_KEY=" + vendorKey, "IMAGERUN_CREEM_URL=" + server.URL, "IMAGERUN_CREEM_ALLOW_PLAIN_HTTP=true"}, sim, server.URL
}

func sameProducts(list []creemsim.Product) []creemsim.Product { return list }

// What the vendor sells otherwise than we say is named, and ends the command with 1.
func TestPayments_Products(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	require.Regexp(t, `(?m)^pack-small +5\.00 EUR +prod_imagerunPackSmallEur$`, b.run(0, "products"))
	require.Contains(t, b.run(2, "products", "--check"), "creem.key (IMAGERUN_CREEM_KEY) is needed")

	environ, _, _ := serveVendor(t, sameProducts)
	require.Regexp(t, `(?m)^pro-yearly +\S+ EUR +\S+ +the same$`, b.runWith(environ, "", 0, "products", "--check"))

	environ, _, _ = serveVendor(t, func(list []creemsim.Product) []creemsim.Product {
		for i := range list {
			switch list[i].ID {
			case "prod_imagerunPackSmallEur":
				list[i].Price, list[i].Currency = 600, "USD"
			case "prod_imagerunProMonthEur":
				list[i].BillingPeriod = "every-year"
			}
		}

		return slices.DeleteFunc(list, func(p creemsim.Product) bool { return p.ID == "prod_imagerunPackLargeUsd" })
	})
	out := b.runWith(environ, "", 1, "products", "--check")
	require.Regexp(t, `(?m)^pack-small +5\.00 EUR .* price 600, not 500; currency USD, not EUR$`, out)
	require.Regexp(t, `(?m)^pro-monthly +\S+ EUR .* period every-year, not every-month$`, out)
	require.Regexp(t, `(?m)^pack-large +\S+ USD .* missing$`, out)
	require.Contains(t, out, "the vendor's products are not ours")
}

// A dry run reads the vendor itself, says what differs and writes nothing.
func TestPayments_ReconcileDry(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	require.Contains(t, b.run(2, "reconcile", "--dry-run"), "creem.key (IMAGERUN_CREEM_KEY) is needed")

	environ, sim, url := serveVendor(t, sameProducts)
	vendor := creem.New(creem.Options{Key: redact.NewSecret(vendorKey), URL: url, AllowPlainHTTP: true})
	t.Cleanup(vendor.Close)

	made, err := vendor.CreateCheckout(t.Context(), payments.NewCheckout{CheckoutID: uuid.New(), ProductID: "prod_imagerunPackSmallEur"})
	require.NoError(t, err)

	_, err = sim.PayCheckout(made.ID)
	require.NoError(t, err)

	out := b.runWith(environ, "", 0, "reconcile", "--dry-run", "--whole")
	require.Regexp(t, `^payment tran_\S+\na dry run: 1 finding; 2 pages of 1 item, 2 calls of the vendor, in \S+; 0 open for a person\n$`, out)
	require.Empty(t, b.jobs())
	require.Zero(t, paymentstest.Read[int](b.Books, `select count(*) from payment_scan`))

	require.Contains(t, b.runWith(environ, "", 0, "reconcile", "--dry-run", "--json"), `"what": "payment"`)

	environ[2] = "IMAGERUN_CREEM_KEY=creem_test_stolen"
	require.Contains(t, b.runWith(environ, "", 1, "reconcile", "--dry-run"), "the comparison did not come to its end: ")
}

// The command follows the run that it staged, and the looks, and shows what they saw.
func TestPayments_Reconcile(t *testing.T) {
	t.Parallel()

	b := atTheCounter(t)
	b.Exec(`insert into payment_difference (kind, about, status, found_at, seen_at) values ('missed_end', 'long ago', 'repaired', now() - interval '1 day', now() - interval '1 day')`)

	ended := make(chan string, 1)

	go func() { ended <- b.run(1, "reconcile", "--whole") }()

	// A worker works the run, which stages a look, and then the look.
	require.Eventually(t, func() bool { return b.jobs() == "payments.reconcile" }, 30*time.Second, 10*time.Millisecond)
	require.True(t, paymentstest.Read[bool](b.Books, `select (args->>'whole')::boolean from job`))
	b.run(0, "look", b.order.String())
	b.Exec(`insert into payment_scan (name, began_at, finished_at, pages, items) values ('transactions', now(), now(), 3, 120)`)
	b.Exec(`delete from job where kind = 'payments.reconcile'`)
	b.Exec(`insert into payment_difference (kind, about, status, credits, found_at, seen_at) values
		('missed_payment', 'ord_1', 'repaired', 100, now(), now()), ('unknown_payment', 'tran_1', 'open', 0, now(), now())`)
	b.Exec(`delete from job`)

	out := <-ended
	require.Contains(t, out, "transactions: 3 pages of 120 items")
	require.Regexp(t, `(?m)^missed_payment +ord_1 +repaired +\+100 `, out)
	require.Regexp(t, `(?m)^unknown_payment +tran_1 +open +\+0 `, out)
	require.Contains(t, out, "2 differences, 1 open in all\nimagerun: differences wait for a person")

	require.Contains(t, b.run(1, "reconcile", "--wait", "50ms"), "have not ended in 50ms, and go on")
}
