package credits

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
	"imagerun/internal/postgres"
)

// Hold is credits to set aside for a generation.
type Hold struct {
	UserID  uuid.UUID
	TaskID  uuid.UUID
	Credits int64
	// AutoRefundAt is when the reaper ends the generation and everything returns, if nothing else did.
	AutoRefundAt time.Time
}

// hold is one as it stands, and the grants that it stands on, in the order of capture.
type hold struct {
	db.CreditHold

	allocations []db.CreditHoldAllocation
}

// Hold sets credits aside and returns the balance after it. Holding again for the same generation
// changes nothing. Errors: [ErrInDebt], [ErrInsufficient] in a [*ShortfallError], [ErrMismatch].
func (l *Ledger) Hold(ctx context.Context, tx pgx.Tx, h Hold) (Balance, error) {
	u, err := l.lockUser(ctx, tx, h)
	if err != nil {
		return Balance{}, fmt.Errorf("hold credits for %s: %w", h.TaskID, err)
	}

	return l.HoldLocked(ctx, tx, u, h)
}

// HoldLocked is [Ledger.Hold] of a balance that [Ledger.Lock] has locked, for a generation that has no hold yet. After it the
// balance is what it was made, so that another hold may follow in the same transaction; a refusal changes nothing of it.
func (l *Ledger) HoldLocked(ctx context.Context, tx pgx.Tx, u *Locked, h Hold) (Balance, error) {
	if h.Credits <= 0 {
		return Balance{}, fmt.Errorf("hold %d credits for %s: %w", h.Credits, h.TaskID, ErrExceeds)
	}

	if err := l.welcome(ctx, tx, h, u); err != nil {
		return Balance{}, fmt.Errorf("hold credits for %s: %w", h.TaskID, err)
	}

	if u.balance.Subject == uuid.Nil {
		return Balance{}, &ShortfallError{Required: h.Credits}
	}

	b := l.begin(tx, u.balance, slices.Clone(u.grants))

	switch {
	case u.earlier == nil:
	case u.earlier.Subject != b.subject || u.earlier.Amount != h.Credits:
		return Balance{}, fmt.Errorf("hold for %s: %w", h.TaskID, ErrMismatch)
	default:
		return b.balance, nil
	}

	switch {
	case b.balance.Debt > 0:
		return b.balance, ErrInDebt
	case b.balance.Available < h.Credits:
		return b.balance, &ShortfallError{Required: h.Credits, Available: b.balance.Available}
	}

	e := entry{kind: KindHold, key: "hold:" + h.TaskID.String(), taskID: h.TaskID}
	if err := b.allocate(ctx, e, h); err != nil {
		return Balance{}, err
	}

	if err := b.close(ctx, e); err != nil {
		return b.balance, err
	}

	u.follow(b)

	return b.balance, nil
}

func (b *book) allocate(ctx context.Context, e entry, h Hold) error {
	err := b.db.HoldInsert(ctx, postgres.Later(b.tx), db.HoldInsertParams{
		TaskID: h.TaskID, Subject: b.subject, Amount: h.Credits, AutoRefundAt: h.AutoRefundAt, CreatedAt: b.now,
	})
	if err != nil {
		return fmt.Errorf("insert hold for %s: %w", h.TaskID, err)
	}

	rows := db.AllocationsInsertParams{TaskID: h.TaskID}

	var legs []leg

	for left, i := h.Credits, 0; left > 0; i++ {
		g := b.grants[i]
		if g.Remaining == 0 {
			continue
		}

		n := min(left, g.Remaining)
		left -= n
		legs = append(legs, leg{available, g, -n}, leg{held, g, n})
		rows.N = append(rows.N, int16(len(rows.N)))
		rows.Grants = append(rows.Grants, g.ID)
		rows.Amounts = append(rows.Amounts, n)
	}

	if err := b.db.AllocationsInsert(ctx, postgres.Later(b.tx), rows); err != nil {
		return fmt.Errorf("insert allocations for %s: %w", h.TaskID, err)
	}

	b.add(e, legs...)

	return nil
}

// Capture takes the price of one stored image, by its index, out of the hold. Capturing it again
// changes nothing. Errors: [ErrNoHold], [ErrClosed], [ErrExceeds].
func (l *Ledger) Capture(ctx context.Context, tx pgx.Tx, taskID uuid.UUID, image int, credits int64) error {
	b, h, err := l.openTask(ctx, tx, taskID)
	if err != nil {
		return err
	}

	e := entry{kind: KindCapture, key: fmt.Sprintf("capture:%s:%d", taskID, image), taskID: taskID, image: image}
	if done, err := b.isBooked(ctx, e.key); err != nil || done {
		return err
	}

	switch {
	case h.ClosedAt != nil:
		return fmt.Errorf("capture image %d of %s: %w", image, taskID, ErrClosed)
	case credits <= 0 || credits > h.Amount-h.Captured:
		return fmt.Errorf("capture %d credits for image %d of %s: %w", credits, image, taskID, ErrExceeds)
	}

	var legs []leg

	for i, left := 0, credits; left > 0; i++ {
		a := &h.allocations[i]
		n := min(left, a.Amount-a.Captured)
		left -= n
		a.Captured += n
		g := b.grant(a.GrantID)
		legs = append(legs, leg{held, g, -n}, leg{revenue, g, n})
	}

	h.Captured += credits
	b.add(e, legs...)

	return b.end(ctx, e, h)
}

// Release closes the hold of a generation that has ended: whatever was not captured returns, and the
// number of it is given. Releasing again changes nothing and gives 0. Errors: [ErrNoHold].
func (l *Ledger) Release(ctx context.Context, tx pgx.Tx, taskID uuid.UUID) (int64, error) {
	b, h, err := l.openTask(ctx, tx, taskID)
	if err != nil || h.ClosedAt != nil {
		return 0, err
	}

	e := entry{kind: KindRelease, key: "release:" + taskID.String(), taskID: taskID}
	h.Released, h.ClosedAt = h.Amount-h.Captured, &b.now

	if h.Released == 0 {
		return 0, b.end(ctx, e, h)
	}

	var legs []leg

	for i := range h.allocations {
		a := &h.allocations[i]
		a.Released = a.Amount - a.Captured

		if a.Released > 0 {
			g := b.grant(a.GrantID)
			legs = append(legs, leg{held, g, -a.Released}, leg{available, g, a.Released})
		}
	}

	b.add(e, legs...)

	return h.Released, b.end(ctx, e, h)
}

// end writes the hold as it stands now, and closes the book.
func (b *book) end(ctx context.Context, e entry, h *hold) error {
	err := b.db.HoldUpdate(ctx, postgres.Later(b.tx), db.HoldUpdateParams{
		TaskID: h.TaskID, Captured: h.Captured, Released: h.Released, Refunded: h.Refunded, ClosedAt: h.ClosedAt,
	})
	if err != nil {
		return fmt.Errorf("write hold of %s: %w", h.TaskID, err)
	}

	rows := db.AllocationsUpdateParams{TaskID: h.TaskID}
	for _, a := range h.allocations {
		rows.N = append(rows.N, a.N)
		rows.Captured = append(rows.Captured, a.Captured)
		rows.Released = append(rows.Released, a.Released)
	}

	if err := b.db.AllocationsUpdate(ctx, postgres.Later(b.tx), rows); err != nil {
		return fmt.Errorf("write allocations of %s: %w", h.TaskID, err)
	}

	return b.close(ctx, e)
}

// Overdue returns generations whose hold is still open past its time, longest first: for the reaper,
// which ends them and releases in the same transaction.
func (l *Ledger) Overdue(ctx context.Context, tx db.DBTX, most int) ([]uuid.UUID, error) {
	ids, err := l.db.HoldsOverdue(ctx, tx, db.HoldsOverdueParams{Now: l.Now(), Most: int32(most)})
	if err != nil {
		return nil, fmt.Errorf("look for overdue holds: %w", err)
	}

	return ids, nil
}
