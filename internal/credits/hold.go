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

	if err := l.ensureWelcome(ctx, tx, h, u); err != nil {
		return Balance{}, fmt.Errorf("hold credits for %s: %w", h.TaskID, err)
	}

	if u.balance.Subject == uuid.Nil {
		return Balance{}, &ShortfallError{Required: h.Credits}
	}

	lt := l.beginLocked(tx, u.balance, slices.Clone(u.grants))

	switch {
	case u.earlier == nil:
	case u.earlier.Subject != lt.subject || u.earlier.Amount != h.Credits:
		return Balance{}, fmt.Errorf("hold for %s: %w", h.TaskID, ErrMismatch)
	default:
		return lt.balance, nil
	}

	switch {
	case lt.balance.Debt > 0:
		return lt.balance, ErrInDebt
	case lt.balance.Available < h.Credits:
		return lt.balance, &ShortfallError{Required: h.Credits, Available: lt.balance.Available}
	}

	e := entry{kind: KindHold, key: "hold:" + h.TaskID.String(), taskID: h.TaskID}
	if err := lt.allocateHold(ctx, e, h); err != nil {
		return Balance{}, err
	}

	if err := lt.close(ctx, e); err != nil {
		return lt.balance, err
	}

	u.applyHold(lt)

	return lt.balance, nil
}

func (lt *ledgerTx) allocateHold(ctx context.Context, e entry, h Hold) error {
	err := lt.db.HoldInsert(ctx, postgres.Later(lt.tx), db.HoldInsertParams{
		TaskID: h.TaskID, Subject: lt.subject, Amount: h.Credits, AutoRefundAt: h.AutoRefundAt, CreatedAt: lt.now,
	})
	if err != nil {
		return fmt.Errorf("insert hold for %s: %w", h.TaskID, err)
	}

	rows := db.AllocationsInsertParams{TaskID: h.TaskID}

	var postings []posting

	for left, i := h.Credits, 0; left > 0; i++ {
		g := lt.grants[i]
		if g.Remaining == 0 {
			continue
		}

		n := min(left, g.Remaining)
		left -= n
		postings = append(postings, posting{available, g, -n}, posting{held, g, n})
		rows.N = append(rows.N, int16(len(rows.N)))
		rows.Grants = append(rows.Grants, g.ID)
		rows.Amounts = append(rows.Amounts, n)
	}

	if err := lt.db.AllocationsInsert(ctx, postgres.Later(lt.tx), rows); err != nil {
		return fmt.Errorf("insert allocations for %s: %w", h.TaskID, err)
	}

	lt.post(e, postings...)

	return nil
}

// Capture takes the price of one stored image, by its index, out of the hold. Capturing it again
// changes nothing. Errors: [ErrNoHold], [ErrClosed], [ErrExceeds].
func (l *Ledger) Capture(ctx context.Context, tx pgx.Tx, taskID uuid.UUID, image int, credits int64) error {
	lt, h, err := l.openTask(ctx, tx, taskID)
	if err != nil {
		return err
	}

	e := entry{kind: KindCapture, key: fmt.Sprintf("capture:%s:%d", taskID, image), taskID: taskID, image: image}
	if done, err := lt.isBooked(ctx, e.key); err != nil || done {
		return err
	}

	switch {
	case h.ClosedAt != nil:
		return fmt.Errorf("capture image %d of %s: %w", image, taskID, ErrClosed)
	case credits <= 0 || credits > h.Amount-h.Captured:
		return fmt.Errorf("capture %d credits for image %d of %s: %w", credits, image, taskID, ErrExceeds)
	}

	var postings []posting

	for i, left := 0, credits; left > 0; i++ {
		a := &h.allocations[i]
		n := min(left, a.Amount-a.Captured)
		left -= n
		a.Captured += n
		g := lt.findGrant(a.GrantID)
		postings = append(postings, posting{held, g, -n}, posting{revenue, g, n})
	}

	h.Captured += credits
	lt.post(e, postings...)

	return lt.writeHold(ctx, e, h)
}

// Release closes the hold of a generation that has ended: whatever was not captured returns, and the
// number of it is given. Releasing again changes nothing and gives 0. Errors: [ErrNoHold].
func (l *Ledger) Release(ctx context.Context, tx pgx.Tx, taskID uuid.UUID) (int64, error) {
	lt, h, err := l.openTask(ctx, tx, taskID)
	if err != nil || h.ClosedAt != nil {
		return 0, err
	}

	e := entry{kind: KindRelease, key: "release:" + taskID.String(), taskID: taskID}
	h.Released, h.ClosedAt = h.Amount-h.Captured, &lt.now

	if h.Released == 0 {
		return 0, lt.writeHold(ctx, e, h)
	}

	var postings []posting

	for i := range h.allocations {
		a := &h.allocations[i]
		a.Released = a.Amount - a.Captured

		if a.Released > 0 {
			g := lt.findGrant(a.GrantID)
			postings = append(postings, posting{held, g, -a.Released}, posting{available, g, a.Released})
		}
	}

	lt.post(e, postings...)

	return h.Released, lt.writeHold(ctx, e, h)
}

// writeHold writes the hold as it stands now, and closes the ledger.
func (lt *ledgerTx) writeHold(ctx context.Context, e entry, h *hold) error {
	err := lt.db.HoldUpdate(ctx, postgres.Later(lt.tx), db.HoldUpdateParams{
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

	if err := lt.db.AllocationsUpdate(ctx, postgres.Later(lt.tx), rows); err != nil {
		return fmt.Errorf("write allocations of %s: %w", h.TaskID, err)
	}

	return lt.close(ctx, e)
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
