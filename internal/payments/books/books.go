package books

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/plan"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// Vendor is what looks read. Every method is one call, without an effect there.
type Vendor interface {
	FindCheckout(ctx context.Context, id string) (payments.Checkout, error)
	FindSubscription(ctx context.Context, id string) (payments.Subscription, error)
	FindTransaction(ctx context.Context, id string) (payments.Transaction, error)
	FindCustomer(ctx context.Context, id string) (payments.Customer, error)
	ListTransactions(ctx context.Context, f payments.TransactionFilter, page int) (payments.Page[payments.Transaction], error)
}

// Deps are what [Books] work with. All are required, except where said.
type Deps struct {
	Pool     *pgxpool.Pool
	Queue    *durable.Queue
	Ledger   *credits.Ledger
	Products *products.Products
	Plans    *plan.Plans
	// Vendor is nil in a process that works no jobs.
	Vendor Vendor
	// ParseHint reads what a webhook is about: inbox.ErrUnknownType for a type that says nothing of money.
	ParseHint func(eventType string, body []byte) (payments.Hint, error)
	Log       *slog.Logger
	Now       clock.Now
}

// Books are the verbs. Safe for concurrent use.
type Books struct {
	Deps

	db      *db.Queries
	metrics *metrics
}

// New returns books. It dials nothing and starts nothing.
func New(d Deps) *Books { return &Books{Deps: d, db: db.New(), metrics: newMetrics()} }

// Register makes the books the handler of their jobs.
func (b *Books) Register(r *queue.Registry) {
	queue.Register(r, checkoutLooker{b})
	queue.Register(r, subscriptionLooker{b})
	queue.Register(r, orderLooker{b})
	queue.Register(r, settler{b})
}

// Now is when something is done, in the precision that Postgres keeps.
func (b *Books) now() time.Time { return b.Now().UTC().Truncate(time.Microsecond) }

// maskCustomer is all that an order keeps of the vendor's id of a person: enough to tell two apart in a conversation.
func maskCustomer(id string) *string {
	const shown = 4
	if len(id) <= 2*shown {
		return nil
	}

	mask := "…" + id[len(id)-shown:]

	return &mask
}

// findCustomer completes who paid, where the vendor named only their id. One that is gone there stays without an address.
func (b *Books) findCustomer(ctx context.Context, c payments.Customer) (payments.Customer, error) {
	if c.ID == "" || !c.Email.IsZero() {
		return c, nil
	}

	found, err := b.Vendor.FindCustomer(ctx, c.ID)
	if payments.ClassOf(err) == payments.NotFound {
		return c, nil
	}

	return found, err
}

// noteDifference writes down where our books and the vendor's differed.
func (b *Books) noteDifference(ctx context.Context, tx pgx.Tx, d Difference) error {
	fresh, err := b.db.DifferenceNote(ctx, tx, db.DifferenceNoteParams{Kind: string(d.Kind), About: d.About, Status: string(d.status()), Credits: d.Credits, Now: b.now()})
	if err != nil {
		return err
	}

	if fresh {
		queue.AfterCommit(tx, func() { b.metrics.countDifference(d) })
	}

	return nil
}

// settleDifference writes down that what a person had to look at has come right.
func (b *Books) settleDifference(ctx context.Context, tx pgx.Tx, kind DifferenceKind, about string) error {
	now := b.now()

	return b.db.DifferenceSettle(ctx, tx, db.DifferenceSettleParams{Kind: string(kind), About: about, Now: &now})
}

// textOf is a text that may not be known.
func textOf(s string) *string {
	if s == "" {
		return nil
	}

	return &s
}

func idOf(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}

	return &id
}

func timeOf(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}

	t = t.UTC()

	return &t
}
