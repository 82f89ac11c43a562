package credits

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
)

// ClawBack is credits to take back, because their payment was refunded or disputed.
type ClawBack struct {
	Subject   uuid.UUID
	Reference string // of the grant, as in [Grant]; the grant may come later
	Event     string // the provider's id of the event
	Credits   int64  // taken back of this grant in all, with what earlier events took
	Reason    Reason
}

// ClawBack takes credits back: what is left of the grant is voided, what was used becomes debt, and
// what is held waits until its hold ends. The same event again changes nothing; nor does one that
// says less than an earlier one. Errors: [ErrMismatch].
func (l *Ledger) ClawBack(ctx context.Context, tx pgx.Tx, c ClawBack) error {
	if c.Credits <= 0 {
		return fmt.Errorf("take back %d credits of %s: %w", c.Credits, c.Reference, ErrExceeds)
	}

	lt, err := l.openSubject(ctx, tx, c.Subject)
	if err != nil {
		return err
	}

	e := entry{kind: KindClawback, key: "clawback:" + c.Event, reason: c.Reason}
	if done, err := lt.isBooked(ctx, e.key); err != nil || done {
		return err
	}

	row, err := l.db.GrantByReference(ctx, tx, c.Reference)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return fmt.Errorf("look for grant %s: %w", c.Reference, err)
	case row.Subject != c.Subject:
		return fmt.Errorf("take back %s: %w", c.Reference, ErrMismatch)
	default:
		g := lt.findGrant(row.ID)
		if g == nil { // used up
			g = &row
			lt.grants = append(lt.grants, g)
		}

		g.Clawed = max(g.Clawed, min(c.Credits, g.Amount))
		e.source = g.Source
		lt.markTouched(g)
	}

	err = l.db.ClawRaise(ctx, tx, db.ClawRaiseParams{Reference: c.Reference, Subject: c.Subject, Credits: c.Credits})
	if err != nil {
		return fmt.Errorf("note refund of %s: %w", c.Reference, err)
	}

	lt.post(e)

	return lt.close(ctx, e)
}
