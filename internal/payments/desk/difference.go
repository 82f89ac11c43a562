package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/payments/books"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
)

// ErrNoDifference says that no difference of such a kind is about that.
var ErrNoDifference = errors.New("there is no such difference")

// Difference is where our books and the vendor's differed.
type Difference struct {
	Kind      books.DifferenceKind   `json:"kind"`
	About     string                 `json:"about"`
	Status    books.DifferenceStatus `json:"status"`
	Credits   int64                  `json:"credits"` // that were given or taken, with their sign
	FoundAt   time.Time              `json:"found_at"`
	SeenAt    time.Time              `json:"seen_at"`
	SettledAt *time.Time             `json:"settled_at"`
	Actor     string                 `json:"actor"` // who settled it; empty: no person
}

// Open reports whether it waits for a person.
func (d Difference) Open() bool { return d.Status == books.DifferenceOpen }

func differenceOf(row db.DeskDifferencesAboutRow) Difference {
	return Difference{
		Kind: books.DifferenceKind(row.Kind), About: row.About, Status: books.DifferenceStatus(row.Status), Credits: row.Credits,
		FoundAt: row.FoundAt, SeenAt: row.SeenAt, SettledAt: row.SettledAt, Actor: postgres.TextOrEmpty(row.Actor),
	}
}

// Differences lists those that were seen since a time, the newest first; open: those that wait for a person.
func (d *Desk) Differences(ctx context.Context, since time.Time, open bool, limit int) ([]Difference, error) {
	rows, err := d.db.DeskDifferences(ctx, d.Pool, db.DeskDifferencesParams{Since: since, Open: open, Most: int32(limit)}) //nolint:gosec // a page
	if err != nil {
		return nil, fmt.Errorf("list differences: %w", err)
	}

	list := make([]Difference, len(rows))
	for i, row := range rows {
		list[i] = differenceOf(db.DeskDifferencesAboutRow(row))
	}

	return list, nil
}

// CountOpen counts the differences that wait for a person.
func (d *Desk) CountOpen(ctx context.Context) (int64, error) {
	n, err := d.db.DeskDifferencesOpen(ctx, d.Pool)
	if err != nil {
		return 0, fmt.Errorf("count differences: %w", err)
	}

	return n, nil
}

// Settlement is what a person did about a difference.
type Settlement struct {
	Kind  books.DifferenceKind
	About string
	Actor string // an operator's login
	// Unpaid says of a refund by hand that the money was not given back, and will not be.
	Unpaid bool
}

// Settle writes down that a person has dealt with a difference, and returns it. Fresh: it was open until now. A refund by hand ends with it, and
// the payment is looked at. Errors: [ErrNoDifference].
func (d *Desk) Settle(ctx context.Context, s Settlement) (settled Difference, fresh bool, err error) {
	err = postgres.RetryTx(ctx, d.Pool, func(tx *postgres.Tx) error {
		settled, fresh, err = d.settleInTx(ctx, tx, s)

		return err
	})
	if err != nil {
		return settled, false, fmt.Errorf("settle %s of %s: %w", s.Kind, s.About, err)
	}

	return settled, fresh, nil
}

func (d *Desk) settleInTx(ctx context.Context, tx pgx.Tx, s Settlement) (settled Difference, fresh bool, err error) {
	// A refund is locked before what is known of it, as where it is carried out.
	if id, err := uuid.Parse(s.About); err == nil && s.Kind == books.RefundByHand {
		if err := d.Refunds.EndByHand(ctx, tx, id, !s.Unpaid); err != nil {
			return settled, false, err
		}
	}

	row, err := d.db.DeskDifferenceLock(ctx, tx, db.DeskDifferenceLockParams{Kind: string(s.Kind), About: s.About})

	switch {
	case postgres.IsNotFound(err):
		return settled, false, ErrNoDifference
	case err != nil:
		return settled, false, err
	}

	settled = differenceOf(db.DeskDifferencesAboutRow(row))
	if !settled.Open() {
		return settled, false, nil
	}

	now := d.Now()
	settled.Status, settled.SettledAt, settled.Actor = books.DifferenceSettled, &now, s.Actor

	return settled, true, d.db.DeskDifferenceSettle(ctx, tx, db.DeskDifferenceSettleParams{Kind: row.Kind, About: row.About, Now: now, Actor: s.Actor})
}
