package books_test

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/reconcile"
)

// For a month no webhook comes: what was paid, renewed, refunded and canceled is found, each is said, and a second run finds nothing.
func TestReconcile_AMonthWithoutWebhooks(t *testing.T) {
	t.Parallel()

	b := setup(t)
	old := b.buy(t, "pack-large")
	sub := b.buy(t, "pro-monthly").SubscriptionID
	b.has(t, 1500, 0, "pro")

	// From now on nothing is told.
	_, theirs := b.wish(t, "pack-small")
	b.world.pay(theirs, "pack-small")
	b.pass(t, 40*time.Minute)
	b.reconcile(t)
	b.world.payBack(old.ID, old.Money.Paid, false)
	b.now.Move(products.AddMonths(b.now.Now(), 1).Sub(b.now.Now()))
	b.world.renew(sub)
	b.now.Move(2 * time.Hour)
	b.world.change(sub, func(s *payments.Subscription) { s.Status = payments.SubscriptionScheduled })
	b.now.Move(2 * time.Hour)
	b.jobs.Advance(31 * day)

	report := b.reconcile(t)
	require.Positive(t, report.Findings)
	b.has(t, 1100, 0, "pro") // 100 + 500 + 500
	require.Equal(t, []string{
		"missed_end repaired", "missed_payment repaired", "missed_payment repaired", "missed_refund repaired", "missed_status repaired",
	}, b.differences(t))

	again := b.reconcile(t)
	require.Zero(t, again.Findings)
	require.Len(t, b.differences(t), 5)
	b.has(t, 1100, 0, "pro")
}

// What leads to no person of ours is said, once, for a person to look at.
func TestReconcile_Unknown(t *testing.T) {
	t.Parallel()

	b := setup(t)
	theirs := b.world.open(b.user) // made by hand: none of our checkouts
	b.world.pay(theirs, "pack-small")
	b.now.Move(2 * time.Hour)

	for range 2 {
		b.reconcile(t)
		require.Equal(t, []string{"unknown_payment open"}, b.differences(t))
	}

	b.has(t, 0, 0, "free")

	// A person has dealt with it: it is there as before, and rests.
	_, err := b.pool.Exec(t.Context(), `update payment_difference set status = 'settled', settled_at = now(), actor = 'operator'`)
	require.NoError(t, err)
	b.reconcile(t)
	require.Equal(t, []string{"unknown_payment settled"}, b.differences(t))
}

// A scan that met a payment just before its own look wrote it has told nobody for long.
func TestReconcile_KnownByNow(t *testing.T) {
	t.Parallel()

	b := setup(t)
	paid := b.buy(t, "pack-small")

	_, err := b.pool.Exec(t.Context(), `insert into payment_difference (kind, about, status, found_at, seen_at) values ('unknown_payment', $1, 'open', now(), now())`, paid.ID)
	require.NoError(t, err)
	b.reconcile(t)
	require.Equal(t, []string{"unknown_payment settled"}, b.differences(t))
}

// A scan that meets a payment while its own look writes it waits for the look, and finds it known.
func TestReconcile_WhileALookWrites(t *testing.T) {
	t.Parallel()

	b := setup(t)
	ours, theirs := b.wish(t, "pack-small")
	paid := b.world.pay(theirs, "pack-small")
	b.tell(t, hint{CheckoutID: ours, VendorCheckout: theirs})

	// As if the look had not yet come to its end when the scan asks.
	look, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	_, err = look.Exec(t.Context(), `select pg_advisory_xact_lock(hashtextextended('payment:' || $1, 0))`, paid.ID)
	require.NoError(t, err)
	_, err = b.pool.Exec(t.Context(), `update payment_order set transaction_id = null, order_id = 'ord_later'`)
	require.NoError(t, err)
	_, err = look.Exec(t.Context(), `update payment_order set transaction_id = $1, order_id = $2`, paid.ID, paid.OrderID)
	require.NoError(t, err)

	met := make(chan error, 1)

	go func() {
		met <- pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) error {
			return b.Hint(t.Context(), tx, hint{TransactionID: paid.ID, OrderID: paid.OrderID}, true)
		})
	}()

	require.Eventually(t, func() bool {
		var waits int

		return b.pool.QueryRow(t.Context(), `select count(*) from pg_locks where locktype = 'advisory' and not granted
			and database = (select oid from pg_database where datname = current_database())`).Scan(&waits) == nil && waits == 1
	}, 20*time.Second, 10*time.Millisecond)
	require.NoError(t, look.Commit(t.Context()))
	require.NoError(t, <-met)
	require.Empty(t, b.differences(t))
}

// A dry run says what differs, and writes nothing.
func TestReconcile_DryRun(t *testing.T) {
	t.Parallel()

	b := setup(t)
	paid := b.buy(t, "pack-small")
	b.world.payBack(paid.ID, paid.Money.Paid, false)

	var told []reconcile.Finding

	report, err := b.reconciler.Run(t.Context(), reconcile.Options{Whole: true, DryRun: true, Tell: func(f reconcile.Finding) { told = append(told, f) }})
	require.NoError(t, err)
	require.Equal(t, []reconcile.Finding{{What: "refund", ID: paid.ID}}, told)
	require.True(t, report.Done)
	require.Empty(t, b.jobs.Pending())
	b.has(t, 100, 0, "free")
}

// A run that is not whole stops where everything is known.
func TestReconcile_StopsWhereItIsKnown(t *testing.T) {
	t.Parallel()

	b := setup(t)
	for range 20 {
		b.buy(t, "pack-small")
		b.now.Move(day)
	}

	first := b.reconcile(t)
	require.Equal(t, 8, first.Calls) // 20 payments on pages of three, and no subscription: one empty page

	b.buy(t, "pack-small")

	next, err := b.reconciler.Run(t.Context(), reconcile.Options{})
	require.NoError(t, err)
	require.Equal(t, 2, next.Calls) // the page of the new one, and one that is older than the newest that was known by a day
}

// A reading that is interrupted does not hide from operators when the list was last read to its end.
func TestReconcile_SaysWhenItWasDoneLast(t *testing.T) {
	t.Parallel()

	b := setup(t)
	c := reconcile.TableCollector(b.pool, slog.New(slog.DiscardHandler), b.now.Now)
	read := strings.NewReplacer("$", strconv.FormatInt(b.now.Now().Unix(), 10)).Replace(`
# HELP imagerun_payments_list_read_timestamp_seconds When a list of the vendor's was last read to its end, by list; absent: never.
# TYPE imagerun_payments_list_read_timestamp_seconds gauge
imagerun_payments_list_read_timestamp_seconds{list="subscriptions"} $
imagerun_payments_list_read_timestamp_seconds{list="transactions"} $
`)

	require.Zero(t, testutil.CollectAndCount(c, "imagerun_payments_list_read_timestamp_seconds"))
	b.reconcile(t)
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(read), "imagerun_payments_list_read_timestamp_seconds"))

	b.now.Move(day)
	b.world.away = errAway
	_, err := b.reconciler.Run(t.Context(), reconcile.Options{Whole: true})
	require.ErrorIs(t, err, errAway)
	require.NoError(t, testutil.CollectAndCompare(c, strings.NewReader(read), "imagerun_payments_list_read_timestamp_seconds"))
}
