package checkout

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/postgres"
	"imagerun/internal/redact"
	"imagerun/queue/durable"
)

// Deps are what a [Service] works with. All are required.
type Deps struct {
	Pool      *pgxpool.Pool
	Queue     *durable.Queue
	Ledger    *credits.Ledger
	Products  *products.Products
	Vendor    Vendor
	Addresses Addresses
	Log       *slog.Logger
	Now       clock.Now
	Options   Options
}

// Options are the settings; section payments of the configuration documents them for operators.
type Options struct {
	ReturnURL string        // of our page to which the vendor sends the person back; the checkout's id is put behind it
	WaiverOn  bool          // whether people may waive their right to withdraw
	Lifetime  time.Duration // how long an open checkout of a plan keeps another from beginning
	LookAfter time.Duration // when reconciliation looks at one of which nothing was heard
}

// Vendor is who sells for us.
type Vendor interface {
	// CreateCheckout makes a page to pay at. Its errors are [payments.Error].
	CreateCheckout(ctx context.Context, c payments.NewCheckout) (payments.Checkout, error)
}

// Addresses knows the addresses of accounts.
type Addresses interface {
	AddressOf(ctx context.Context, userID uuid.UUID) (redact.Personal, error)
}

// Service is the verbs of checkouts. Safe for concurrent use.
type Service struct {
	Deps

	db *db.Queries
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service { return &Service{Deps: d, db: db.New()} }

// Sold returns what is sold now, each product with the prices that it has here.
func (s *Service) Sold() []products.Product {
	var sold []products.Product

	for _, p := range s.Products.Sold() {
		var prices []products.Price

		for _, price := range p.Prices {
			if s.Products.VendorID(price) != "" {
				prices = append(prices, price)
			}
		}

		if p.Prices = prices; len(prices) > 0 {
			sold = append(sold, p)
		}
	}

	return sold
}

// Waivable reports whether a buyer may say yes to [WaiverText].
func (s *Service) Waivable() bool { return s.Options.WaiverOn }

// Get returns one. Errors: [ErrNotFound].
func (s *Service) Get(ctx context.Context, userID, id uuid.UUID) (c Checkout, err error) {
	err = postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		subject, err := s.Ledger.Subject(ctx, tx, userID)
		if err == nil {
			c, err = s.readOwned(ctx, tx, subject, id)
		}

		return err
	})

	return c, err
}

// askEvery is how often at most an owner who asks for a checkout has it looked at.
const askEvery = 5 * time.Second

// Ask is Get, and has an open checkout looked at, at most once in five seconds. Errors: [ErrNotFound].
func (s *Service) Ask(ctx context.Context, userID, id uuid.UUID) (c Checkout, err error) {
	err = postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		subject, err := s.Ledger.Subject(ctx, tx, userID)
		if err != nil {
			return err
		}

		if c, err = s.readOwned(ctx, tx, subject, id); err != nil || c.Status != StatusOpen {
			return err
		}

		now := s.Now()

		asked, err := s.db.CheckoutAsk(ctx, tx, db.CheckoutAskParams{ID: id, Subject: subject, Now: &now, Before: now.Add(-askEvery)})
		if err != nil || asked == 0 {
			return fault.Wrap(err, "ask for a look")
		}

		_, err = s.Queue.Stage(ctx, tx, jobs.LookAtCheckout{CheckoutID: id}, durable.Key(id.String())) // as all who ask for a look

		return fault.Wrap(err, "stage look at checkout")
	})

	return c, err
}

func (s *Service) readOwned(ctx context.Context, tx db.DBTX, subject, id uuid.UUID) (Checkout, error) {
	row, err := s.db.CheckoutOwned(ctx, tx, db.CheckoutOwnedParams{ID: id, Subject: subject})

	switch {
	case postgres.IsNotFound(err):
		return Checkout{}, ErrNotFound
	case err != nil:
		return Checkout{}, fmt.Errorf("read checkout %s: %w", id, err)
	}

	return s.buildCheckout(row), nil
}

func (s *Service) buildCheckout(r db.CheckoutOwnedRow) Checkout {
	row := r.PaymentCheckout
	c := Checkout{
		ID: row.ID, Status: Status(row.Status), ProductID: row.ProductID, Currency: row.Currency, Amount: row.Amount,
		URL: postgres.TextOrEmpty(row.Url), WaivedAt: row.WaivedAt, CreatedAt: row.CreatedAt, ExpiresAt: row.ExpiresAt, EndedAt: row.EndedAt,
	}

	// Its request was interrupted, and nobody has an address to pay at.
	if c.Status == StatusCreating && !s.Now().Before(c.ExpiresAt) {
		c.Status, c.EndedAt = StatusExpired, &c.ExpiresAt
	}

	if r.OrderID != uuid.Nil {
		c.OrderID = &r.OrderID
	}

	return c
}
