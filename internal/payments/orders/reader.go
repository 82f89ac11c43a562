package orders

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/postgres"
)

// Reader reads orders. Safe for concurrent use.
type Reader struct {
	pool     *pgxpool.Pool
	ledger   *credits.Ledger
	products *products.Products
	db       *db.Queries
}

// New returns a reader. It dials nothing and starts nothing.
func New(pool *pgxpool.Pool, ledger *credits.Ledger, p *products.Products) *Reader {
	return &Reader{pool: pool, ledger: ledger, products: p, db: db.New()}
}

// List returns the page of the user's orders that follows a place.
func (r *Reader) List(ctx context.Context, userID uuid.UUID, after Place, limit int) (page Page, err error) {
	if after == (Place{}) {
		after = Place{PaidAt: clock.Latest(), ID: uuid.Max}
	}

	err = r.withSubject(ctx, userID, func(tx db.DBTX, subject uuid.UUID) error {
		rows, err := r.db.OrderListOwned(ctx, tx, db.OrderListOwnedParams{
			Subject: &subject, Before: after.PaidAt, BeforeID: after.ID, Most: int32(limit) + 1, //nolint:gosec // a page
		})
		if err != nil {
			return fmt.Errorf("list orders: %w", err)
		}

		page.HasMore = len(rows) > limit
		for _, row := range rows[:min(limit, len(rows))] {
			page.Orders = append(page.Orders, r.buildOrder(db.OrderGetOwnedRow(row)))
		}

		return nil
	})

	return page, err
}

// Get returns one. Errors: [ErrNotFound].
func (r *Reader) Get(ctx context.Context, userID, id uuid.UUID) (o Order, err error) {
	err = r.withSubject(ctx, userID, func(tx db.DBTX, subject uuid.UUID) error {
		row, err := r.db.OrderGetOwned(ctx, tx, db.OrderGetOwnedParams{ID: id, Subject: &subject})

		switch {
		case postgres.IsNotFound(err):
			return ErrNotFound
		case err != nil:
			return fmt.Errorf("read order %s: %w", id, err)
		}

		o = r.buildOrder(row)

		return nil
	})

	return o, err
}

// withSubject reads under the name by which a user pays.
func (r *Reader) withSubject(ctx context.Context, userID uuid.UUID, read func(tx db.DBTX, subject uuid.UUID) error) error {
	return postgres.InTx(ctx, r.pool, func(tx *postgres.Tx) error {
		subject, err := r.ledger.Subject(ctx, tx, userID)
		if err != nil {
			return err
		}

		return read(tx, subject)
	})
}

func (r *Reader) buildOrder(g db.OrderGetOwnedRow) Order {
	row := g.PaymentOrder
	o := Order{
		ID: row.ID, Kind: products.Kind(row.Kind), ProductID: postgres.TextOrEmpty(row.ProductID), SubscriptionID: row.SubscriptionID,
		TransactionID: postgres.TextOrEmpty(row.TransactionID), Customer: postgres.TextOrEmpty(row.CustomerMask), Email: row.Email,
		Money:  payments.Money{Currency: row.Currency, Net: row.Net, Tax: row.Tax, Paid: row.Paid},
		PaidAt: row.PaidAt, PeriodStart: row.PeriodStart, PeriodEnd: row.PeriodEnd,
		Credits: row.Credits, Refunded: row.Refunded, Refund: refundStateOf(g), WaivedAt: g.WaivedAt,
	}

	// The name and the plan are those of today: a product that was sold stays in the file.
	if p, ok := r.products.Find(o.ProductID); ok {
		o.Product, o.Plan = p.Name, p.Plan
	}

	return o
}

func refundStateOf(g db.OrderGetOwnedRow) RefundState {
	switch row := g.PaymentOrder; {
	case row.Disputed:
		return RefundDisputed
	case row.RefundPending || g.RefundAsked:
		return RefundPending
	case row.Refunded == 0:
		return RefundNone
	case row.Refunded < row.Paid:
		return RefundPartly
	default:
		return RefundFully
	}
}
