package bills

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/queue"
)

const (
	// billSlice is how long one run of the comparison takes before it lets other jobs have its place.
	billSlice = time.Minute
	// billWindow is the span of time whose bills are listed together: what is unknown of it is in memory at once.
	billWindow = time.Hour
	// billDelay is how old what the provider bills must be to be listed: it may be late to say so.
	billDelay = 6 * time.Hour
	// billRest is how long a bill that was not found is not looked for again: until the next night.
	billRest = 12 * time.Hour
	// billPatience is how long after its end the bill of an attempt is looked for.
	billPatience = 7 * 24 * time.Hour
	// billSpan is the longest time that the provider can be asked about at once, less a day.
	billSpan = 89 * 24 * time.Hour
	// maxBillPages bounds the pages of one list.
	maxBillPages = 1000
)

// biller is whose bills are compared.
const biller = "fal"

// errBillTooLong says that the pages of a list have no end.
var errBillTooLong = errors.New("a list of billing events does not end")

// comparer compares what the provider billed with the attempts that it billed them for. Everything that it finds out is
// a row at once: the worker that goes on, after a crash too, goes on from there, and what is done twice changes nothing.
type comparer struct{ *Bills }

// Handle implements [queue.Handler].
func (h comparer) Handle(ctx context.Context, _ *queue.Job[jobs.CompareBills]) error {
	if h.Biller == nil {
		h.sayNoBiller.Do(func() {
			h.Log.InfoContext(ctx, "what the provider bills is not compared: there is no key that may read it (fal.admin_key)")
		})

		return nil
	}

	var (
		end   = h.Now().Add(billSlice)
		after db.CostOpenRow
		more  = true
		err   error
	)

	for more {
		if more, err = h.listWindow(ctx); err != nil {
			return err
		} else if more && h.Now().After(end) {
			return queue.Snooze(0) // others may want the place
		}
	}

	for more = true; more; {
		if after, more, err = h.findBills(ctx, after); err != nil {
			return err
		} else if more && h.Now().After(end) {
			return queue.Snooze(0)
		}
	}

	now := h.Now()

	if err := h.db.CostGiveUp(ctx, h.Pool, db.CostGiveUpParams{Now: &now, Before: now.Add(-billPatience)}); err != nil {
		return fmt.Errorf("give up bills: %w", err)
	}

	return h.reportBills(ctx)
}

// listWindow looks through what was billed in the next span of time for requests that nothing of ours names. False: none
// is over for long enough.
func (h comparer) listWindow(ctx context.Context) (more bool, err error) {
	now := h.Now()

	from, err := h.db.BillBegin(ctx, h.Pool, db.BillBeginParams{Provider: biller, Now: now})
	if err != nil {
		return false, fmt.Errorf("read how far bills are compared: %w", err)
	}

	to := from.Add(billWindow)
	if to.After(now.Add(-billDelay)) {
		return false, nil
	}

	var unknown []providers.BillingEvent

	err = h.eachPage(ctx, providers.BillingQuery{From: from, To: to}, func(events []providers.BillingEvent) error {
		left, err := h.keepUnknown(ctx, events)
		unknown = append(unknown, left...)

		return err
	})
	if err != nil {
		return false, err
	}

	return true, postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		n, err := h.db.BillListed(ctx, tx, db.BillListedParams{Provider: biller, Since: from, Until: to})
		if err != nil || n == 0 { // another worker listed the same
			return fault.Wrap(err, "write how far bills are compared")
		}

		for _, e := range unknown {
			if err := h.matchErased(ctx, tx, e, now); err != nil {
				return err
			}
		}

		return nil
	})
}

// keepUnknown returns those of a page that charge for a request which nothing of ours names. It writes down the cost of
// attempts that were ended by a release that did not.
func (h comparer) keepUnknown(ctx context.Context, events []providers.BillingEvent) (unknown []providers.BillingEvent, err error) {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.RequestID
	}

	missing, err := h.db.CostMissing(ctx, h.Pool, ids)
	if err != nil {
		return nil, fmt.Errorf("list attempts without a cost: %w", err)
	}

	if len(missing) > 0 {
		err := postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error { return h.Tasks.RecordCost(ctx, tx, "", missing...) })
		if err != nil {
			return nil, err
		}
	}

	list, err := h.db.RequestsUnknown(ctx, h.Pool, ids)
	if err != nil {
		return nil, fmt.Errorf("look for requests that were billed: %w", err)
	}

	nameless := make(map[string]bool, len(list))
	for _, id := range list {
		nameless[id] = true
	}

	for _, e := range events {
		if nameless[e.RequestID] && e.NanoUSD > 0 {
			unknown = append(unknown, e)
		}
	}

	return unknown, nil
}

// matchErased books a bill that nothing names on an attempt of an erased generation that ended about then. Where there is none,
// it is one of a request that we do not know, and is written down as that.
func (h comparer) matchErased(ctx context.Context, tx *postgres.Tx, e providers.BillingEvent, now time.Time) error {
	n, err := h.db.CostMatch(ctx, tx, db.CostMatchParams{
		Endpoint: e.Endpoint, From: e.At.Add(-billWindow), To: e.At.Add(billDelay), Units: e.Units, Cost: &e.NanoUSD, Now: &now,
	})
	if err != nil || n > 0 {
		return fault.Wrap(err, "match a bill with what is erased")
	}

	err = h.db.CostUnknown(ctx, tx, db.CostUnknownParams{RequestID: e.RequestID, Endpoint: e.Endpoint, At: e.At})

	return fault.Wrap(err, "write down an unknown request")
}

// findBills asks for the bills of the next requests whose bill has not been found. False: it has asked for all of them.
func (h comparer) findBills(ctx context.Context, after db.CostOpenRow) (last db.CostOpenRow, more bool, err error) {
	now := h.Now()
	since := now.Add(-billRest)

	rows, err := h.db.CostOpen(ctx, h.Pool, db.CostOpenParams{
		Before: now.Add(-billWindow), Since: &since, AfterAt: after.EndedAt, AfterID: after.ID, Most: providers.MaxBilledRequests,
	})
	if err != nil || len(rows) == 0 {
		return after, false, fault.Wrap(err, "list attempts without a bill")
	}

	ids, requests := make([]uuid.UUID, len(rows)), make([]string, len(rows))
	for i, r := range rows {
		ids[i], requests[i] = r.ID, r.RequestID
	}

	found := db.CostBilledParams{Now: &now}
	query := providers.BillingQuery{RequestIDs: requests, From: rows[0].EndedAt.Add(-24 * time.Hour), To: now}

	if oldest := now.Add(-billSpan); query.From.Before(oldest) {
		query.From = oldest
	}

	err = h.eachPage(ctx, query, func(events []providers.BillingEvent) error {
		for _, e := range events {
			found.RequestIds = append(found.RequestIds, e.RequestID)
			found.Units = append(found.Units, e.Units)
			found.Costs = append(found.Costs, e.NanoUSD)
		}

		return nil
	})
	if err != nil {
		return after, false, err
	}

	err = postgres.RetryTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if err := h.db.CostBilled(ctx, tx, found); err != nil {
			return err
		}

		return h.db.CostChecked(ctx, tx, db.CostCheckedParams{Now: &now, Ids: ids})
	})

	return rows[len(rows)-1], true, fault.Wrap(err, "write down bills")
}

// eachPage hands over the pages of a list of billing events one after the other.
func (h comparer) eachPage(ctx context.Context, q providers.BillingQuery, use func([]providers.BillingEvent) error) error {
	for range maxBillPages {
		page, err := h.Biller.BillingEvents(ctx, q)
		h.Tasks.CountCall("bills", err)

		if err != nil {
			return fmt.Errorf("list what the provider billed: %w", err)
		}

		if err := use(page.Events); err != nil || page.Next == "" {
			return err
		}

		q.Cursor = page.Next
	}

	return errBillTooLong
}
