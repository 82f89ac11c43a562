package desk

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/payments/books"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/postgres"
)

// ErrManyOrders says that a name means several payments.
var ErrManyOrders = errors.New("several payments are meant: name one")

// Returned is what a refund returns and takes.
type Returned struct {
	OrderID  string         `json:"order_id"`
	Currency string         `json:"currency"`
	Amount   int64          `json:"amount"`
	Credits  int64          `json:"credits"` // that go, of those that were given, once the vendor says that the money is back
	Status   refunds.Status `json:"status"`  // by_hand: a person returns the money
	Fresh    bool           `json:"fresh"`   // false: it was asked for before
}

// FindOrder returns the one payment that a name means. Errors: [ErrNothing], [ErrManyOrders].
func (d *Desk) FindOrder(ctx context.Context, n Name) (id uuid.UUID, err error) {
	found, err := d.findTargets(ctx, n)
	if err != nil {
		return id, err
	}

	var orders []uuid.UUID

	for _, f := range found {
		if f.kind == kindOrder {
			orders = append(orders, f.id)
		}
	}

	switch len(orders) {
	case 0:
		return id, fmt.Errorf("%s is a %s and no payment: %w", n.Text, found[0].kind, ErrNothing)
	case 1:
		return orders[0], nil
	default:
		return id, fmt.Errorf("%s: %w", n.Text, ErrManyOrders)
	}
}

// Refund asks for money of a payment to be given back; amount zero: all that is left of it, which is what the same request asked for, if it
// did before. Errors: those of [refunds.Service.Ask].
func (d *Desk) Refund(ctx context.Context, tx pgx.Tx, r refunds.Request) (out Returned, err error) {
	o, err := d.lockOrder(ctx, tx, r.OrderID)
	if err != nil {
		return out, err
	}

	earlier, err := d.db.RefundRead(ctx, tx, r.ID)
	if err != nil && !postgres.IsNotFound(err) {
		return out, fmt.Errorf("look for refund %s: %w", r.ID, err)
	}

	out = Returned{OrderID: o.ID, Currency: o.Currency, Fresh: err != nil}

	switch {
	case r.Amount == 0 && !out.Fresh:
		r.Amount = earlier.Amount
	case r.Amount == 0:
		underWay, err := d.db.RefundsUnderWay(ctx, tx, r.OrderID)
		if err != nil {
			return out, fmt.Errorf("add up refunds of order %s: %w", r.OrderID, err)
		}

		r.Amount = o.Paid - o.Refunded - underWay
	}

	out.Amount = r.Amount
	out.Credits = o.creditsOf(r.Amount)
	out.Status, err = d.Refunds.Ask(ctx, tx, r)

	return out, err
}

// lockOrder reads a payment that is kept from changing until tx ends.
func (d *Desk) lockOrder(ctx context.Context, tx pgx.Tx, id uuid.UUID) (o Order, err error) {
	if _, err := d.db.RefundOrderLock(ctx, tx, id); postgres.IsNotFound(err) {
		return o, fmt.Errorf("order %s: %w", id, refunds.ErrNoOrder)
	} else if err != nil {
		return o, fmt.Errorf("lock order %s: %w", id, err)
	}

	rows, err := d.db.DeskOrders(ctx, tx, db.DeskOrdersParams{Ids: []uuid.UUID{id}, Subscriptions: []uuid.UUID{}, Checkouts: []uuid.UUID{}})
	if err != nil {
		return o, fmt.Errorf("read order %s: %w", id, err)
	}

	return d.buildOrder(ctx, tx, rows[0]) // it is locked, so it is there
}

// creditsOf is how many more of its credits go with so much more of a payment, as the books take them: of each grant, rounded down.
func (o Order) creditsOf(amount int64) int64 {
	if o.creditsEach == 0 {
		return 0
	}

	return max(0, o.Credits/o.creditsEach*books.TakenCredits(o.creditsEach, o.Paid, o.Refunded+amount)-o.TakenBack)
}
