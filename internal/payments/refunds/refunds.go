package refunds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// Reason is why money is given back: one of a closed list, so that nothing about a person can be in it.
type Reason string

// The reasons.
const (
	Withdrawal   Reason = "withdrawal"
	Quality      Reason = "quality"
	NotDelivered Reason = "not_delivered"
	Mistake      Reason = "mistake"
	Goodwill     Reason = "goodwill"
	Other        Reason = "other"
)

// Owner is the actor of what the person asked for whose order it is.
const Owner = "owner"

// Status is where a refund is.
type Status string

// The statuses.
const (
	Asked   Status = "asked"
	Sent    Status = "sent" // the vendor may have carried it out
	Done    Status = "done"
	Refused Status = "refused" // by the vendor: an open difference says so
	ByHand  Status = "by_hand" // a person does it: an open difference says so
)

// The kinds of differences that a person must see to. They are about the id of the refund.
const (
	differenceByHand  = "refund_by_hand"
	differenceRefused = "refund_refused"
)

var (
	// ErrNoOrder says that there is no such order.
	ErrNoOrder = errors.New("there is no such order")
	// ErrExceeds says that more is asked for than is left of what was paid.
	ErrExceeds = errors.New("more than is left of the payment")
	// ErrDisputed says that the bank decides about the payment.
	ErrDisputed = errors.New("the payment is disputed")
	// ErrMismatch says that a request was used before, for something else.
	ErrMismatch = errors.New("the request was used for something else")
)

// Vendor is what is asked of who sells for us. Errors: [*payments.Error].
type Vendor interface {
	FindTransaction(ctx context.Context, vendorID string) (payments.Transaction, error)
	// Refund gives a whole payment back. Nil: it is back, or under way.
	Refund(ctx context.Context, transactionID string) error
}

// Deps are what a [Service] works with. All are required, except where said.
type Deps struct {
	Pool  *pgxpool.Pool
	Queue *durable.Queue
	// Vendor is nil in a process that works no jobs.
	Vendor Vendor
	Log    *slog.Logger
	Now    clock.Now
}

// Service is the verbs of refunds. Safe for concurrent use.
type Service struct {
	Deps

	db *db.Queries
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service { return &Service{Deps: d, db: db.New()} }

// Request is money to give back.
type Request struct {
	ID      uuid.UUID // makes it happen once; the refund's id
	OrderID uuid.UUID
	Amount  int64 // in minor units, with tax
	Reason  Reason
	Actor   string // an operator's login, or [Owner]
}

// IsWhole reports whether the vendor can do a refund: it is all of a payment of which nothing was given back.
func IsWhole(amount, paid, refunded int64) bool { return amount == paid && refunded == 0 }

// Ask writes down that money is to be given back, and stages the job that has the vendor do so, or tells a person to. The same request
// again changes nothing. The order stays locked until tx ends. It returns where the refund is. Errors: [ErrNoOrder], [ErrExceeds],
// [ErrDisputed], [ErrMismatch].
func (s *Service) Ask(ctx context.Context, tx pgx.Tx, r Request) (Status, error) {
	order, err := s.db.RefundOrderLock(ctx, tx, r.OrderID)

	switch {
	case postgres.IsNotFound(err):
		return "", fmt.Errorf("order %s: %w", r.OrderID, ErrNoOrder)
	case err != nil:
		return "", fmt.Errorf("lock order %s: %w", r.OrderID, err)
	}

	earlier, err := s.db.RefundRead(ctx, tx, r.ID)

	switch {
	case err == nil && (earlier.OrderID != r.OrderID || earlier.Amount != r.Amount || earlier.Reason != string(r.Reason)):
		return "", fmt.Errorf("refund %s: %w", r.ID, ErrMismatch)
	case err == nil:
		return Status(earlier.Status), nil
	case !postgres.IsNotFound(err):
		return "", fmt.Errorf("look for refund %s: %w", r.ID, err)
	}

	underWay, err := s.db.RefundsUnderWay(ctx, tx, r.OrderID)
	if err != nil {
		return "", fmt.Errorf("add up refunds of order %s: %w", r.OrderID, err)
	}

	switch {
	case order.Disputed:
		return "", fmt.Errorf("order %s: %w", r.OrderID, ErrDisputed)
	case r.Amount <= 0 || r.Amount > order.Paid-order.Refunded-underWay:
		return "", fmt.Errorf("refund %d of order %s: %w", r.Amount, r.OrderID, ErrExceeds)
	}

	status := Asked
	if order.TransactionID == nil || !IsWhole(r.Amount, order.Paid, order.Refunded) {
		status = ByHand
	}

	return status, s.insertRefund(ctx, tx, r, status)
}

// insertRefund writes a refund, and what gets it done.
func (s *Service) insertRefund(ctx context.Context, tx pgx.Tx, r Request, status Status) error {
	err := s.db.RefundInsert(ctx, tx, db.RefundInsertParams{
		ID: r.ID, OrderID: r.OrderID, Amount: r.Amount, Reason: string(r.Reason), Actor: r.Actor, Status: string(status), CreatedAt: s.now(),
	})
	if err != nil {
		return fmt.Errorf("insert refund %s: %w", r.ID, err)
	}

	if status == ByHand {
		return s.noteDifference(ctx, tx, differenceByHand, r.ID)
	}

	_, err = s.Queue.Stage(ctx, tx, jobs.RefundOrder{RefundID: r.ID}, durable.Key(r.ID.String()))

	return err
}

// noteDifference tells operators of a refund that a person must see to.
func (s *Service) noteDifference(ctx context.Context, tx pgx.Tx, kind string, refund uuid.UUID) error {
	err := s.db.RefundDifferenceNote(ctx, tx, db.RefundDifferenceNoteParams{Kind: kind, About: refund.String(), Now: s.now()})
	if err != nil {
		return fmt.Errorf("note %s: %w", kind, err)
	}

	queue.AfterCommit(tx, func() {
		s.Log.Warn("refund needs a person", slog.Any("refund_id", refund), slog.String("difference", kind))
	})

	return nil
}

// now is when something is done, in the precision that Postgres keeps.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }
