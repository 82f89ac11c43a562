package withdrawal

import (
	"context"
	"crypto/subtle"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/jobs"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

// Options are the settings; section payments of the configuration documents them for operators.
type Options struct {
	On bool // withdrawals are taken
	// Days is how many days after the one of the payment there are; zero: 14, as the law says.
	Days int
}

// Deps are what a [Service] works with. All are required.
type Deps struct {
	Pool     *pgxpool.Pool
	Queue    *durable.Queue
	Ledger   *credits.Ledger
	Refunds  *refunds.Service
	Products *products.Products
	Now      clock.Now
	Options  Options
}

// Service is the verbs of withdrawals. Safe for concurrent use.
type Service struct {
	Deps

	db *db.Queries
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service { return &Service{Deps: d, db: db.New()} }

// Withdrawal is one that was declared.
type Withdrawal struct {
	ID         uuid.UUID
	Number     int64 // 1, 2, 3 …
	OrderID    uuid.UUID
	Currency   string
	Money      int64 // what is returned, in minor units
	Credits    int64 // what was taken back
	Content    string
	DeclaredAt time.Time
	Hash       []byte // SHA-256 over the hash of the one before, and all of this
}

// Declare withdraws from an order, as was offered: what was not used of its credits is taken back at once, the money is on its way, and a
// plan ends. Declaring again returns the same, whatever the token. Errors: those of [Service.Offer] but [ErrWithdrawn]; [ErrChanged].
func (s *Service) Declare(ctx context.Context, userID, orderID uuid.UUID, token string) (w Withdrawal, err error) {
	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		subject, order, err := s.lockOrder(ctx, tx, userID, orderID)
		if err != nil {
			return err
		}

		earlier, err := s.db.WithdrawalOf(ctx, tx, orderID)

		switch {
		case err == nil:
			w = withdrawalOf(earlier.PaymentWithdrawal, earlier.Currency)

			return nil
		case !postgres.IsNotFound(err):
			return fmt.Errorf("look for withdrawal: %w", err)
		}

		a, err := s.assessOrder(ctx, tx, subject, order)
		if err != nil {
			return err
		}

		if subtle.ConstantTimeCompare([]byte(a.Token), []byte(token)) != 1 {
			return ErrChanged
		}

		row, err := s.carryOut(ctx, tx, subject, order, a)
		if err != nil {
			return err
		}

		w = withdrawalOf(row, order.Currency)

		return nil
	})

	return w, fault.Wrap(err, "withdraw from order "+orderID.String())
}

// carryOut does all that a withdrawal brings. What adds to the chain comes last: it keeps others waiting.
func (s *Service) carryOut(ctx context.Context, tx *postgres.Tx, subject uuid.UUID, order db.WithdrawalOrderRow, a assessment) (w db.PaymentWithdrawal, err error) {
	if err := s.takeCredits(ctx, tx, subject, a); err != nil {
		return w, err
	}

	if err := s.db.WithdrawalOrderStop(ctx, tx, order.ID); err != nil {
		return w, fmt.Errorf("stop credits of order: %w", err)
	}

	if order.SubscriptionID != nil {
		id := *order.SubscriptionID

		if _, err := s.Queue.Stage(ctx, tx, jobs.CancelSubscription{SubscriptionID: id}, durable.Key(id.String())); err != nil {
			return w, err
		}
	}

	w = db.PaymentWithdrawal{
		ID: uuid.New(), OrderID: order.ID, Subject: subject, RefundID: uuid.New(), Amount: a.Money, Credits: a.Credits, DeclaredAt: s.now(),
	}

	_, err = s.Refunds.Ask(ctx, tx, refunds.Request{ID: w.RefundID, OrderID: order.ID, Amount: a.Money, Reason: refunds.Withdrawal, Actor: refunds.Owner})
	if err != nil {
		return w, err
	}

	return w, s.appendToChain(ctx, tx, &w, func(number int64) string { return describeWithdrawal(number, w, order, a.Offer) })
}

// takeCredits takes back what was not used of an order, and what is yet to come of it.
func (s *Service) takeCredits(ctx context.Context, tx pgx.Tx, subject uuid.UUID, a assessment) error {
	for _, t := range a.take {
		if t.Credits == 0 {
			continue
		}

		err := s.Ledger.ClawBack(ctx, tx, credits.ClawBack{
			Subject: subject, Reference: t.Reference, Event: "withdrawal:" + t.Reference, Credits: t.Credits, Reason: credits.ReasonPaymentRefunded,
		})
		if err != nil {
			return fmt.Errorf("take credits back: %w", err)
		}
	}

	return nil
}

// now is when something is done, in the precision that Postgres keeps.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

func withdrawalOf(w db.PaymentWithdrawal, currency string) Withdrawal {
	return Withdrawal{
		ID: w.ID, Number: w.Number, OrderID: w.OrderID, Currency: currency, Money: w.Amount, Credits: w.Credits, Content: w.Content,
		DeclaredAt: w.DeclaredAt.UTC(), Hash: w.Hash,
	}
}
