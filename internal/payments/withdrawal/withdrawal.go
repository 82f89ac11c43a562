package withdrawal

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/payments/products"
	"imagerun/queue/durable"
)

var (
	// ErrNotFound says that there is no such order, or that it is another person's.
	ErrNotFound = fault.New(fault.NotFound, "not_found", "You have no such order.")
	// ErrOff says that no withdrawal is taken here.
	ErrOff = fault.New(fault.Conflict, "withdrawal_off", "Withdrawals are not taken here. Write to our support.")
	// ErrTooLate says that the time to withdraw is over.
	ErrTooLate = fault.New(fault.Conflict, "withdrawal_too_late", "The time to withdraw from this order is over.")
	// ErrWithdrawn says that it was done.
	ErrWithdrawn = fault.New(fault.Conflict, "withdrawal_declared", "The withdrawal from this order was declared already.")
	// ErrRefunded says that money of the order was paid back, or is about to be.
	ErrRefunded = fault.New(fault.Conflict, "order_refunded", "Money of this order was paid back already, or is on its way. Write to our support about the rest.")
	// ErrDisputed says that the bank decides about the order.
	ErrDisputed = fault.New(fault.Conflict, "order_disputed", "This payment was disputed at the bank, which decides about it.")
	// ErrUsedUp says that nothing is left to return.
	ErrUsedUp = fault.New(fault.Conflict, "withdrawal_used_up",
		"All credits of this order were used, and it was agreed that they came at once: there is nothing to return.")
	// ErrNotReady says that it is not known yet what was bought.
	ErrNotReady = fault.New(fault.Conflict, "order_not_ready", "This order is not complete yet. Try again in some minutes.")
	// ErrChanged says that the token is of no offer that stands.
	ErrChanged = fault.New(fault.Conflict, "withdrawal_changed", "What the withdrawal returns has changed since it was shown. Look at it again, and confirm that; nothing was done.")
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
	Products *products.Products
	Log      *slog.Logger
	Now      clock.Now
	Options  Options
}

// Service is the verbs of withdrawals. Safe for concurrent use.
type Service struct {
	Deps
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service { return &Service{Deps: d} }

// Offer is what a withdrawal from an order returns, as it is now.
type Offer struct {
	OrderID  uuid.UUID
	Product  products.Product
	Currency string // EUR, USD
	Paid     int64  // in minor units, with tax
	Money    int64  // what is returned of it
	Waived   bool   // it was agreed that used credits are not returned
	Given    int64  // the credits that the payment is for
	Used     int64  // what was used of them
	Credits  int64  // what is taken back
	EndsPlan bool   // it is the payment of a subscription, which ends with it
	ByHand   bool   // our staff sends the money, which takes some days more
	Until    time.Time
	// Token confirms this offer. It fits no longer once an amount of it has changed.
	Token string
}

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

var errNotBuilt = errors.New("not built yet")

// Offer tells what a withdrawal would return now. Errors: [ErrNotFound], [ErrOff], [ErrTooLate], [ErrWithdrawn], [ErrRefunded],
// [ErrDisputed], [ErrUsedUp], [ErrNotReady].
func (s *Service) Offer(_ context.Context, _, _ uuid.UUID) (Offer, error) { return Offer{}, errNotBuilt }

// Declare withdraws from an order, as was offered. Declaring again returns the same, whatever the token. Errors: those of
// [Service.Offer] but [ErrWithdrawn]; [ErrChanged].
func (s *Service) Declare(_ context.Context, _, _ uuid.UUID, _ string) (Withdrawal, error) {
	return Withdrawal{}, errNotBuilt
}
