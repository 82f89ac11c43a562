package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/postgres"
	"imagerun/internal/redact"
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
	FindCustomer(ctx context.Context, customerID string) (payments.Customer, error)
	PortalURL(ctx context.Context, customerID string) (string, error)
}

// Addresses knows the addresses of accounts.
type Addresses interface {
	AddressOf(ctx context.Context, userID uuid.UUID) (redact.Personal, error)
}

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
}

// Service is the verbs of subscriptions. Safe for concurrent use.
type Service struct {
	Deps

	db *db.Queries
}

// New returns a service. It dials nothing and starts nothing.
func New(d Deps) *Service { return &Service{Deps: d, db: db.New()} }

// List returns a person's subscriptions, the newest first.
func (s *Service) List(ctx context.Context, userID uuid.UUID) (list []Subscription, err error) {
	err = postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		subject, err := s.Ledger.Subject(ctx, tx, userID)
		if err != nil {
			return err
		}

		list, err = s.readSubscriptions(ctx, tx, subject, nil)

		return err
	})

	return list, fault.Wrap(err, "list subscriptions")
}

// Get returns one. Errors: [ErrNotFound].
func (s *Service) Get(ctx context.Context, userID, id uuid.UUID) (u Subscription, err error) {
	err = postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		subject, err := s.Ledger.Subject(ctx, tx, userID)
		if err != nil {
			return err
		}

		u, err = s.readSubscription(ctx, tx, subject, id)

		return err
	})

	return u, fault.Wrap(err, "read subscription "+id.String())
}

// PortalURL returns the address of the vendor's page on which a person sees and changes how they pay. It is personal: never logged.
// Errors: [ErrNoCustomer], [ErrUnavailable].
func (s *Service) PortalURL(ctx context.Context, userID uuid.UUID) (string, error) {
	var customer *string

	err := postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		subject, err := s.Ledger.Subject(ctx, tx, userID)
		if err == nil {
			customer, err = s.db.OwnedCustomer(ctx, tx, &subject)
		}

		if postgres.IsNotFound(err) {
			return ErrNoCustomer
		}

		return err
	})
	if err != nil {
		return "", fmt.Errorf("find customer: %w", err)
	}

	url, err := s.openPortal(ctx, userID, *customer)

	switch {
	case err == nil:
		return url, nil
	case errors.Is(err, ErrNoCustomer):
		return "", err
	case payments.ClassOf(err) == payments.NotFound:
		return "", ErrNoCustomer.WithCause(err)
	case payments.ClassOf(err) == payments.Account:
		s.Log.ErrorContext(ctx, "payment vendor refused our key", slog.String("call", "portal"))
	}

	return "", ErrUnavailable.WithCause(err)
}

// openPortal has the vendor make the page of a customer who has the address of the account. Who pays under the address of another person may be
// the same customer there, and would see their invoices and end what they pay for.
func (s *Service) openPortal(ctx context.Context, userID uuid.UUID, customerID string) (string, error) {
	address, err := s.Addresses.AddressOf(ctx, userID)
	if err != nil {
		return "", err
	}

	customer, err := s.Vendor.FindCustomer(ctx, customerID)
	if err != nil {
		return "", err
	}

	if address.IsZero() || !strings.EqualFold(customer.Email.Reveal(), address.Reveal()) {
		return "", ErrNoCustomer
	}

	return s.Vendor.PortalURL(ctx, customerID)
}

func (s *Service) readSubscription(ctx context.Context, tx db.DBTX, subject, id uuid.UUID) (Subscription, error) {
	list, err := s.readSubscriptions(ctx, tx, subject, &id)
	if err == nil && len(list) == 0 {
		err = ErrNotFound
	}

	if err != nil {
		return Subscription{}, err
	}

	return list[0], nil
}

// readSubscriptions reads a person's subscriptions, or one of them.
func (s *Service) readSubscriptions(ctx context.Context, tx db.DBTX, subject uuid.UUID, id *uuid.UUID) ([]Subscription, error) {
	rows, err := s.db.OwnedSubscriptions(ctx, tx, db.OwnedSubscriptionsParams{Subject: &subject, ID: id})
	if err != nil {
		return nil, fmt.Errorf("read subscriptions: %w", err)
	}

	now := s.now()
	list, ids, at := make([]Subscription, len(rows)), make([]uuid.UUID, len(rows)), map[uuid.UUID]*Subscription{}

	for i, r := range rows {
		list[i] = Subscription{
			ID: r.ID, Status: payments.SubscriptionStatus(r.Status), Product: s.productOf(r.ProductID), Currency: r.Currency,
			PeriodStart: timeOf(r.PeriodStart), PeriodEnd: timeOf(r.PeriodEnd), CreatedAt: r.CreatedAt.UTC(), vendorID: r.VendorID,
		}
		ids[i], at[r.ID] = r.ID, &list[i]
	}

	if err := s.readRights(ctx, tx, ids, at, now); err != nil {
		return nil, err
	}

	if err := s.readPending(ctx, tx, ids, at); err != nil {
		return nil, err
	}

	for i, r := range rows {
		list[i].describeNext(now, r.CanceledAt)
	}

	return list, nil
}

// readRights reads what is paid for now. Of two plans the better one counts; one that the subscription was upgraded to within what was
// paid is the better.
func (s *Service) readRights(ctx context.Context, tx db.DBTX, ids []uuid.UUID, at map[uuid.UUID]*Subscription, now time.Time) error {
	periods, err := s.db.SubscriptionPeriods(ctx, tx, db.SubscriptionPeriodsParams{Ids: ids, Now: now})
	if err != nil {
		return fmt.Errorf("read paid periods: %w", err)
	}

	for _, p := range periods {
		u, product := at[*p.SubscriptionID], s.productOf(p.ProductID)
		if product.ID == "" || p.PeriodStart.After(now) {
			continue
		}

		if isUpgrade(product, u.Product) {
			product = u.Product
		}

		if u.Rights == nil || !isUpgrade(product, u.Rights.Product) {
			u.Rights = &Rights{Product: product, Until: p.PeriodEnd.UTC()}
		}
	}

	return nil
}

// readPending reads which changes were asked for.
func (s *Service) readPending(ctx context.Context, tx db.DBTX, ids []uuid.UUID, at map[uuid.UUID]*Subscription) error {
	changes, err := s.db.ChangesAsked(ctx, tx, ids)
	if err != nil {
		return fmt.Errorf("read changes: %w", err)
	}

	for _, c := range changes {
		u := at[c.SubscriptionID]
		ch := Change{
			From: s.productOf(&c.FromProduct), To: s.productOf(&c.ToProduct), Currency: u.Currency, Now: c.AtOnce, Credits: c.Credits,
			BilledAt: u.PeriodEnd, AskedAt: c.CreatedAt.UTC(),
		}

		if c.AtOnce {
			ch.BilledAt = ch.AskedAt
		}

		if price, ok := ch.To.PriceIn(u.Currency); ok {
			ch.Price = price.Amount
		}

		u.Pending = &ch
	}

	return nil
}

// productOf returns a product; without an id: it is none of ours.
func (s *Service) productOf(id *string) products.Product {
	p, _ := s.Products.Find(postgres.TextOrEmpty(id))

	return p
}

// now is when something is done, in the precision that Postgres keeps.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

func timeOf(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}

	return t.UTC()
}
