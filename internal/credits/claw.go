package credits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits/db"
	"imagerun/internal/postgres"
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

	b, err := l.openSubject(ctx, tx, c.Subject)
	if err != nil {
		return err
	}

	e := entry{kind: KindClaw, key: "clawback:" + c.Event, reason: c.Reason}
	if done, err := b.isBooked(ctx, e.key); err != nil || done {
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
		g := b.grant(row.ID)
		if g == nil { // used up
			g = &row
			b.grants = append(b.grants, g)
		}

		g.Clawed = max(g.Clawed, min(c.Credits, g.Amount))
		e.source = g.Source
		b.touch(g)
	}

	err = l.db.ClawRaise(ctx, tx, db.ClawRaiseParams{Reference: c.Reference, Subject: c.Subject, Credits: c.Credits})
	if err != nil {
		return fmt.Errorf("note refund of %s: %w", c.Reference, err)
	}

	b.add(e)

	return b.close(ctx, e)
}

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
	b, h, err := l.openTask(ctx, tx, r.TaskID)
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

	priority, until := b.like(spent)

	g, err := b.insert(ctx, db.CreditGrant{Source: e.source, Reference: e.key, Priority: priority, Amount: r.Credits, ExpiresAt: until})
	if err != nil {
		return false, err
	}

	h.Refunded += r.Credits
	b.add(e, leg{revenue, nil, -r.Credits}, leg{available, g, r.Credits})

	return true, b.end(ctx, e, h)
}

// like returns the latest priority and the latest expiry of grants.
func (b *book) like(grants []db.CreditGrant) (int16, *time.Time) {
	latest := b.now.Add(compensationLife)
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

// Expire books the expiry of what is due, each subject in a transaction of its own, and returns how
// many subjects it did; most bounds the grants that it looks for. What is held stays held. A subject
// that fails keeps nobody else from it; the error then says which.
func (l *Ledger) Expire(ctx context.Context, pool *pgxpool.Pool, most int) (int, error) {
	subjects, err := l.db.SubjectsDue(ctx, pool, db.SubjectsDueParams{Now: l.Now(), Most: int32(most)})
	if err != nil {
		return 0, fmt.Errorf("look for grants that expired: %w", err)
	}

	var failed []error

	for _, subject := range subjects {
		err := postgres.InTx(ctx, pool, func(tx *postgres.Tx) error { return l.ExpireSubject(ctx, tx, subject) })
		if err != nil {
			failed = append(failed, fmt.Errorf("expire grants of %s: %w", subject, err))
		}
	}

	return len(subjects) - len(failed), errors.Join(failed...)
}

// ExpireSubject books the expiry of what is due of one subject's.
func (l *Ledger) ExpireSubject(ctx context.Context, tx pgx.Tx, subject uuid.UUID) error {
	b, err := l.openSubject(ctx, tx, subject)
	if err != nil {
		return err
	}

	return b.close(ctx, entry{kind: KindExpire, key: "expire of " + subject.String()})
}
