package subscriptions

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/payments"
	"imagerun/internal/payments/products"
	"imagerun/queue/durable"
)

// Vendor is what is asked of who sells for us. Errors: [*payments.Error].
type Vendor interface {
	FindSubscription(ctx context.Context, vendorID string) (payments.Subscription, error)
	// CancelSubscription cancels at the end of what was paid.
	CancelSubscription(ctx context.Context, vendorID string) (payments.Subscription, error)
	ResumeSubscription(ctx context.Context, vendorID string) (payments.Subscription, error)
	// ChangeSubscription changes the product. Now: the difference is charged at once; else no money moves until the next payment.
	ChangeSubscription(ctx context.Context, vendorID, vendorProductID string, now bool) (payments.Subscription, error)
	PortalURL(ctx context.Context, customerID string) (string, error)
}

// Deps are what a [Service] works with. All are required.
type Deps struct {
	Pool     *pgxpool.Pool
	Queue    *durable.Queue
	Ledger   *credits.Ledger
	Products *products.Products
	Vendor   Vendor
	Log      *slog.Logger
	Now      clock.Now
}

// Service is the verbs of subscriptions. Safe for concurrent use.
type Service struct {
	Deps
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service { return &Service{Deps: d} }

// StatusUnknown is of a subscription that was never looked at. The other statuses are the vendor's.
const StatusUnknown payments.SubscriptionStatus = "unknown"

// Subscription is one as its owner sees it. A time that is zero is not known, or never comes.
type Subscription struct {
	ID          uuid.UUID
	Status      payments.SubscriptionStatus // or [StatusUnknown]
	Product     products.Product            // what the next payment is for; without an id: none of ours
	Currency    string                      // EUR, USD; empty: not known yet
	PeriodStart time.Time                   // of what was paid last
	PeriodEnd   time.Time
	RenewsAt    time.Time // when it is paid next; zero: it is not
	EndsAt      time.Time // when it ends, or ended; zero: it goes on
	CreatedAt   time.Time
	// Rights is the plan that is paid for now: it stays until its time, whatever becomes of the subscription.
	Rights *Rights // nil: none is
	// Pending is a change that was asked for, and did not show yet.
	Pending *Change // nil: none
	// IfCanceled is what stays if it is canceled now.
	IfCanceled *Remains // nil: it cannot be
}

// Rights are a plan that was paid for.
type Rights struct {
	Product products.Product
	Until   time.Time
}

// Remains is what a canceled subscription leaves.
type Remains struct {
	RightsUntil  time.Time // until when the plan stays; zero: no payment gives it now
	CreditsUntil time.Time // until when its last credits are good; zero: it gives none any more, or they do not expire
}

// Change is what becomes of a subscription when its product is changed.
type Change struct {
	From, To products.Product
	Currency string
	// Now says that it takes effect at once, and the difference is charged at once; else it is billed from the next payment on.
	Now bool
	// Credits come at once.
	Credits int64
	// BilledAt is when the new price is paid first: now, or with the next payment.
	BilledAt time.Time
	// Price of a payment from then on, in minor units before tax.
	Price int64
	// AskedAt is when it was asked for; zero: it is only told.
	AskedAt time.Time
}

var errNotBuilt = errors.New("not built yet")

// List returns a person's subscriptions, the newest first.
func (s *Service) List(context.Context, uuid.UUID) ([]Subscription, error) { return nil, errNotBuilt }

// Get returns one. Errors: [ErrNotFound].
func (s *Service) Get(_ context.Context, _, _ uuid.UUID) (Subscription, error) {
	return Subscription{}, errNotBuilt
}

// PreviewChange tells what a change to a product would do now. Errors: [ErrNotFound], [ErrProduct], and all that say why it is not
// possible now.
func (s *Service) PreviewChange(_ context.Context, _, _ uuid.UUID, _ string) (Change, error) {
	return Change{}, errNotBuilt
}

// Change has the vendor change the product. Errors: those of [Service.PreviewChange]; [ErrPaymentRefused], [ErrRefused],
// [ErrUnavailable]: nothing changed; [ErrUnclear]: it will show itself.
func (s *Service) Change(_ context.Context, _, _ uuid.UUID, _ string) (Subscription, error) {
	return Subscription{}, errNotBuilt
}

// Cancel has the vendor end a subscription with what was paid. One that ends already stays as it is. Errors: [ErrNotFound],
// [ErrRefused], [ErrUnavailable], [ErrUnclear].
func (s *Service) Cancel(_ context.Context, _, _ uuid.UUID) (Subscription, error) {
	return Subscription{}, errNotBuilt
}

// Resume takes a cancel back. One that goes on stays as it is. Errors: [ErrNotFound], [ErrEnded], [ErrUnpaid], [ErrNotReady],
// [ErrRefused], [ErrUnavailable], [ErrUnclear].
func (s *Service) Resume(_ context.Context, _, _ uuid.UUID) (Subscription, error) {
	return Subscription{}, errNotBuilt
}

// PortalURL returns the address of the vendor's page on which a person sees and changes how they pay. It is personal: never logged.
// Errors: [ErrNoCustomer], [ErrUnavailable].
func (s *Service) PortalURL(context.Context, uuid.UUID) (string, error) { return "", errNotBuilt }
