package credits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/credits/db"
)

// Refund is an operator's gift of what images of a generation cost.
type Refund struct {
	TaskID  uuid.UUID
	Request string // makes it happen once
	Credits int64
	Actor   string // the operator's login
	Reason  Reason
}

// Refund gives credits back that a generation captured, as a grant that lasts at least as long as
// what was spent, and 72 hours at least. The same request again changes nothing. It reports whether
// it did something. Errors: [ErrNoHold], [ErrExceeds], [ErrMismatch].
func (l *Ledger) Refund(ctx context.Context, tx pgx.Tx, r Refund) (bool, error) {
	lt, h, err := l.openTask(ctx, tx, r.TaskID)
	if err != nil {
		return false, err
	}

	e := entry{kind: KindRefund, source: string(SourceRefund), key: "refund:" + r.Request, taskID: r.TaskID, actor: r.Actor, reason: r.Reason}
	earlier, err := l.db.EntryByKey(ctx, tx, e.key)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return false, fmt.Errorf("look for entry %s: %w", e.key, err)
	case earlier.TaskID == nil || *earlier.TaskID != r.TaskID || earlier.AvailableChange != r.Credits:
		return false, fmt.Errorf("refund %s: %w", r.Request, ErrMismatch)
	default:
		return false, nil
	}

	if r.Credits <= 0 || r.Credits > h.Captured-h.Refunded {
		return false, fmt.Errorf("refund %d credits of %s: %w", r.Credits, r.TaskID, ErrExceeds)
	}

	spent, err := l.db.HoldGrants(ctx, tx, r.TaskID)
	if err != nil {
		return false, fmt.Errorf("read grants behind %s: %w", r.TaskID, err)
	}

	priority, until := lt.latestTerms(spent)

	g, err := lt.insertGrant(ctx, db.CreditGrant{Source: e.source, Reference: e.key, Priority: priority, Amount: r.Credits, ExpiresAt: until})
	if err != nil {
		return false, err
	}

	h.Refunded += r.Credits
	lt.post(e, posting{revenue, nil, -r.Credits}, posting{available, g, r.Credits})

	return true, lt.writeHold(ctx, e, h)
}

// latestTerms returns the latest priority and the latest expiry of grants.
func (lt *ledgerTx) latestTerms(grants []db.CreditGrant) (int16, *time.Time) {
	latest := lt.now.Add(compensationLife)
	priority, forever := int16(0), false

	for _, g := range grants {
		priority = max(priority, g.Priority)

		switch {
		case g.ExpiresAt == nil:
			forever = true
		case g.ExpiresAt.After(latest):
			latest = *g.ExpiresAt
		}
	}

	if forever {
		return priority, nil
	}

	// A grant from before there was this bound may be later.
	if end := clock.Latest(); latest.After(end) {
		latest = end
	}

	return priority, &latest
}
