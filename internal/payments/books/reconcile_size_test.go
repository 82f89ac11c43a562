package books_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/payments"
	"imagerun/internal/payments/paymentstest"
	"imagerun/internal/payments/reconcile"
)

// longList is a vendor with many payments, the newest first, on pages of fifty. It has none of them in memory.
type longList struct {
	payments int
	newest   time.Time
	heap     uint64 // that was in use when the tenth page was read
}

const longPage = 50

func (l *longList) ListTransactions(_ context.Context, _ payments.TransactionFilter, page int) (p payments.Page[payments.Transaction], _ error) {
	if page == 10 {
		l.heap = measureHeap()
	}

	for i := (page - 1) * longPage; i < min(page*longPage, l.payments); i++ {
		p.Items = append(p.Items, payments.Transaction{
			ID: fmt.Sprintf("tran_%d", i), OrderID: fmt.Sprintf("ord_%d", i), CustomerID: "cust_of_many", Status: payments.TransactionPaid,
			Money: payments.Money{Currency: "EUR", Net: 500, Tax: 105, Paid: 605}, CreatedAt: l.newest.Add(-time.Duration(i) * time.Minute),
		})
	}

	if page*longPage < l.payments {
		p.Next = page + 1
	}

	return p, nil
}

func (l *longList) ListSubscriptions(context.Context, int) (payments.Page[payments.Subscription], error) {
	return payments.Page[payments.Subscription]{}, nil
}

// measureHeap is how much is in use once what is not was freed.
func measureHeap() uint64 {
	var m runtime.MemStats

	runtime.GC()
	runtime.ReadMemStats(&m)

	return m.HeapAlloc
}

// However many payments there are, one page of them is in memory, and each page is read once.
func TestReconcile_HundredThousand_Prove(t *testing.T) { //nolint:paralleltest // it measures the memory of the whole process
	n := 2000
	if os.Getenv("IMAGERUN_PROVE") != "" {
		n = 100_000
	}

	b := setup(t)
	list := &longList{payments: n, newest: b.now.Now().Add(-2 * time.Hour)}
	_, err := b.pool.Exec(t.Context(), `insert into payment_order
		(subject, kind, product_id, order_id, transaction_id, currency, net, tax, paid, paid_at, credits_each, months_given, credits)
		select $1, 'pack', 'pack-small', 'ord_' || i, 'tran_' || i, 'EUR', 500, 105, 605, $2::timestamptz - i * interval '1 minute', 100, 1, 100
		from generate_series(0, $3::integer - 1) i`, b.subject, list.newest, n)
	require.NoError(t, err)

	r := reconcile.New(reconcile.Deps{
		Pool: b.pool, Queue: b.jobs.Queue(), Books: b.Books, Products: paymentstest.Products(t), Vendor: list, Log: b.Log, Now: b.now.Now,
	})

	began := time.Now()
	report, err := r.Run(t.Context(), reconcile.Options{Whole: true})
	took, heap := time.Since(began), measureHeap()

	require.NoError(t, err)
	require.True(t, report.Done)
	require.Zero(t, report.Findings)
	require.EqualValues(t, n, report.Items)
	require.LessOrEqual(t, report.Calls, 2*(n/longPage+1))
	require.Less(t, heap, list.heap+4<<20, "bytes in use")
	t.Logf("%d payments in %s, %d calls; %d kB in use at the tenth page, %d kB at the end", n, took.Round(time.Millisecond), report.Calls, list.heap>>10, heap>>10)
}
