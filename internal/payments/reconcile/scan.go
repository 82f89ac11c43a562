package reconcile

import (
	"context"
	"fmt"
	"time"

	"imagerun/internal/fault"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
)

const (
	// settleTime is how old a payment must be to be a difference: until then its own look finds it.
	settleTime = time.Hour
	// overlap is how far behind the newest of the scan before a scan reads that is not whole.
	overlap = 24 * time.Hour
)

// finding is a difference, and where to look for it.
type finding struct {
	Finding

	hint payments.Hint
}

// compared is what a page came to.
type compared struct {
	findings []finding
	newest   time.Time // of its rows
}

// lister is one of the vendor's lists: it reads a page and compares it.
type lister func(ctx context.Context, page int) (items, next int, c compared, err error)

// scanTransactions compares every payment that the vendor has.
func (r *Reconciler) scanTransactions(ctx context.Context, o Options, report *Report) (done bool, err error) {
	return r.scan(ctx, "transactions", o, report, func(ctx context.Context, page int) (int, int, compared, error) {
		list, err := r.Vendor.ListTransactions(ctx, payments.TransactionFilter{}, page)
		if err != nil {
			return 0, 0, compared{}, err
		}

		c, err := r.compareTransactions(ctx, list.Items)

		return len(list.Items), list.Next, c, err
	})
}

// scanSubscriptions compares every subscription that the vendor has. It has no order to stop by, so it is read only as a whole.
func (r *Reconciler) scanSubscriptions(ctx context.Context, o Options, report *Report) (done bool, err error) {
	if !o.Whole {
		return true, nil
	}

	return r.scan(ctx, "subscriptions", o, report, func(ctx context.Context, page int) (int, int, compared, error) {
		list, err := r.Vendor.ListSubscriptions(ctx, page)
		if err != nil {
			return 0, 0, compared{}, err
		}

		c, err := r.compareSubscriptions(ctx, list.Items)

		return len(list.Items), list.Next, c, err
	})
}

// scan reads a list page by page, and has looked at what differs. A page, what it found and how far the scan is, or that it has ended, are
// one transaction.
func (r *Reconciler) scan(ctx context.Context, name string, o Options, report *Report, read lister) (done bool, err error) {
	page, whole, before, err := r.beginScan(ctx, name, o)
	if err != nil {
		return false, err
	}

	var newest time.Time

	for page != 0 {
		items, next, c, err := read(ctx, page)
		report.Calls++

		if err != nil {
			return false, err
		}

		report.Pages++
		report.Items += int64(items)
		report.Findings += len(c.findings)

		if c.newest.After(newest) {
			newest = c.newest
		}

		// All of the page is known, and older than what the scan before has seen: so is what follows.
		if !whole && len(c.findings) == 0 && c.newest.Before(before.Add(-overlap)) {
			next = 0
		}

		c.newest = newest // of all that was read

		if err := r.writePage(ctx, name, o, c, items, next); err != nil {
			return false, err
		}

		if page = next; page != 0 && !o.Until.IsZero() && !r.Now().Before(o.Until) {
			return false, nil
		}
	}

	return true, nil
}

// beginScan returns where to begin.
func (r *Reconciler) beginScan(ctx context.Context, name string, o Options) (page int, whole bool, before time.Time, err error) {
	if o.DryRun {
		return 1, true, before, nil
	}

	row, err := r.db.ScanBegin(ctx, r.Pool, db.ScanBeginParams{Name: name, Whole: o.Whole, Now: r.Now()})
	if err != nil {
		return 0, false, before, fmt.Errorf("begin reading %s: %w", name, err)
	}

	if row.Newest != nil {
		before = *row.Newest
	}

	// There is nothing to stop at yet.
	return int(row.Page), row.Whole || row.Newest == nil, before, nil
}

// writePage has looked at what a page showed, and writes how far the scan is.
func (r *Reconciler) writePage(ctx context.Context, name string, o Options, c compared, items, next int) error {
	if o.DryRun {
		for _, f := range c.findings {
			if o.Tell != nil {
				o.Tell(f.Finding)
			}
		}

		return nil
	}

	return postgres.RetryTx(ctx, r.Pool, func(tx *postgres.Tx) error {
		for _, f := range c.findings {
			if err := r.Books.Hint(ctx, tx, f.hint, true); err != nil {
				return err
			}
		}

		err := r.db.ScanPage(ctx, tx, db.ScanPageParams{Name: name, Page: int32(max(next, 1)), Items: int64(items)}) //nolint:gosec // a page's number
		if err != nil {
			return fmt.Errorf("write how far %s are read: %w", name, err)
		}

		if next != 0 {
			return nil
		}

		now := r.Now()

		return fault.Wrap(r.db.ScanEnd(ctx, tx, db.ScanEndParams{Name: name, Now: &now, Newest: timeOf(c.newest)}), "end reading "+name)
	})
}

// compareTransactions compares a page of payments with our orders.
func (r *Reconciler) compareTransactions(ctx context.Context, list []payments.Transaction) (c compared, err error) {
	ids := make([]string, len(list))
	for i, t := range list {
		ids[i] = t.ID
	}

	rows, err := r.db.TransactionsKnown(ctx, r.Pool, ids)
	if err != nil {
		return c, fmt.Errorf("look for payments: %w", err)
	}

	known := make(map[string]db.TransactionsKnownRow, len(rows))
	for _, row := range rows {
		known[row.TransactionID] = row
	}

	for _, t := range list {
		if t.CreatedAt.After(c.newest) {
			c.newest = t.CreatedAt
		}

		if what := r.judgeTransaction(t, known); what != "" {
			c.findings = append(c.findings, finding{
				Finding: Finding{What: what, ID: t.ID},
				hint:    payments.Hint{SubscriptionID: t.SubscriptionID, OrderID: t.OrderID, TransactionID: t.ID},
			})
		}
	}

	return c, nil
}

// judgeTransaction says how a payment differs from our order of it; empty: it does not.
func (r *Reconciler) judgeTransaction(t payments.Transaction, known map[string]db.TransactionsKnownRow) string {
	row, ok := known[t.ID]
	back := t.Status == payments.TransactionChargedBack

	switch {
	case t.Status != payments.TransactionPaid && !back:
		return ""
	case !ok && r.Now().Sub(t.CreatedAt) < settleTime:
		return ""
	case !ok:
		return "payment"
	case back && !row.Disputed:
		return "dispute"
	case min(t.Refunded, row.Paid) > row.Refunded:
		return "refund"
	default:
		return ""
	}
}

// compareSubscriptions compares a page of subscriptions with ours.
func (r *Reconciler) compareSubscriptions(ctx context.Context, list []payments.Subscription) (c compared, err error) {
	ids := make([]string, len(list))
	for i, s := range list {
		ids[i] = s.ID
	}

	rows, err := r.db.SubscriptionsKnown(ctx, r.Pool, ids)
	if err != nil {
		return c, fmt.Errorf("look for subscriptions: %w", err)
	}

	known := make(map[string]db.SubscriptionsKnownRow, len(rows))
	for _, row := range rows {
		known[row.VendorID] = row
	}

	for _, s := range list {
		row, ok := known[s.ID]
		same := ok && row.Status == string(s.Status) && row.VendorUpdatedAt != nil && !s.UpdatedAt.After(*row.VendorUpdatedAt)

		if !same && r.Now().Sub(s.UpdatedAt) >= settleTime {
			c.findings = append(c.findings, finding{
				Finding: Finding{What: "subscription", ID: s.ID}, hint: payments.Hint{SubscriptionID: s.ID, CheckoutID: s.CheckoutID},
			})
		}
	}

	return c, nil
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}

	return &t
}
