package apptest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/jobs"
	"imagerun/internal/simulators/creemsim"
)

// TestPayments_MonthWithoutWebhooks has the vendor tell nothing for a month in which people buy, renew, cancel and get money back.
// The comparison of the books alone puts it right, and names each repair; once more it finds nothing.
func TestPayments_MonthWithoutWebhooks(t *testing.T) {
	t.Parallel()

	late := lastMonth(time.Now())
	p := startShop(t, late)
	u, other := p.SignUp(t, ""), p.SignUp(t, "")
	pack, plan := u.Buy(t, "pack-small"), u.Buy(t, "pro-monthly")
	events := countBooks(t, p)["inbox_event"]

	p.Creem.SetKnobs(func(k *creemsim.Knobs) { k.LoseWebhooks = true })

	c := other.BeginCheckout(t, "pack-large")
	_, err := p.Creem.PayCheckout(c.VendorID())
	require.NoError(t, err)
	require.NoError(t, p.Creem.Refund(pack.TransactionID, 0))
	p.Creem.Clock.Move(late)
	cancelAtVendor(t, p, plan.SubscriptionID)

	// A checkout of which nothing was heard is looked at some minutes later.
	_, err = p.Pool.Exec(t.Context(), `update payment_checkout set next_look_at = now() where status = 'open'`)
	require.NoError(t, err)

	reconcile(t, p)

	require.EqualValues(t, 1000, creditsOf(t, u).Available, "two months of the plan; the pack's went with its money")
	require.Zero(t, creditsOf(t, u).Debt)
	require.EqualValues(t, 1000, creditsOf(t, other).Available)
	hasPlan(t, p, u, "pro")

	var list struct{ Data []apptest.Subscription }

	u.Do(t, http.MethodGet, "/v1/subscriptions", nil, &list)
	require.Equal(t, "scheduled_cancel", list.Data[0].Status)
	require.True(t, list.Data[0].EndsAt.After(time.Now()))

	// The report names what was missed, once each, and leaves nothing to a person.
	for kind, n := range map[string]int{"missed_payment": 2, "missed_refund": 1, "missed_status": 1, "missed_end": 1} {
		require.Equal(t, n, p.Count(t, `select count(*) from payment_difference where kind = $1 and status = 'repaired'`, kind), kind)
	}

	require.Zero(t, p.Count(t, `select count(*) from payment_difference where status = 'open'`))
	require.Equal(t, 2, p.Count(t, `select count(*) from payment_difference d join payment_order o on d.about = o.id::text
		where d.kind = 'missed_payment' and d.credits = o.credits and d.credits > 0`))
	require.Equal(t, 1, p.Count(t, `select count(*) from payment_difference d join payment_order o on d.about = o.id || ':' || o.paid
		where d.kind = 'missed_refund' and d.credits = -o.credits and o.transaction_id = $1`, pack.TransactionID))

	before := countBooks(t, p)

	require.Equal(t, events, before["inbox_event"], "no webhook told of it")
	reconcile(t, p)
	require.Equal(t, before, countBooks(t, p))
	require.Contains(t, lastReconciliation(t, p), `"findings":0,"looks":0`)
	p.CheckCredits(t)
}

// reconcile compares all of the books as the nightly job does, and waits until what differs was looked at.
func reconcile(t *testing.T, p *apptest.Product) {
	t.Helper()

	args := jobs.ReconcilePayments{Whole: true}
	policy, _ := jobs.Kinds().Policy(args.Kind())

	_, err := p.Pool.Exec(t.Context(), `insert into job (kind, queue, args) values ($1, $2, $3)`, args.Kind(), policy.Queue, args)
	require.NoError(t, err)
	p.Until(t, 0, `select count(*) from job where kind like 'payments.%'`)
}

// lastReconciliation is what the newest whole comparison said of itself.
func lastReconciliation(t *testing.T, p *apptest.Product) (last string) {
	t.Helper()

	for line := range strings.Lines(p.Log.String()) {
		if strings.Contains(line, `"msg":"payments were reconciled","`) && strings.Contains(line, `"whole":true`) {
			last = line
		}
	}

	require.NotEmpty(t, last)

	return last
}

// cancelAtVendor cancels a subscription where only the vendor knows of it.
func cancelAtVendor(t *testing.T, p *apptest.Product, id string) {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.CreemURL+"/v1/subscriptions/"+id+"/cancel", strings.NewReader(`{"mode":"scheduled"}`))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Api-Key", apptest.CreemKey)

	reply, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	require.Equal(t, http.StatusOK, reply.StatusCode)
}
