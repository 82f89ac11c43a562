package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/postgres"
)

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

	vendorProductID string
}

// PreviewChange tells what a change to a product would do now. Errors: [ErrNotFound], [ErrProduct]; [ErrEnded], [ErrCanceled],
// [ErrUnpaid], [ErrNotReady], [ErrChanging] and [ErrChangeBack] say why it is not possible now.
func (s *Service) PreviewChange(ctx context.Context, userID, id uuid.UUID, productID string) (Change, error) {
	u, err := s.Get(ctx, userID, id)
	if err != nil {
		return Change{}, err
	}

	return s.tellChange(u, productID, s.now())
}

// Change has the vendor change the product. Errors: those of [Service.PreviewChange]; [ErrPaymentRefused], [ErrRefused],
// [ErrUnavailable]: nothing changed; [ErrUnclear]: it will show itself.
func (s *Service) Change(ctx context.Context, userID, id uuid.UUID, productID string) (Subscription, error) {
	u, change, err := s.askChange(ctx, userID, id, productID)
	if err != nil {
		return Subscription{}, fault.Wrap(err, "change subscription "+id.String())
	}

	seen, err := s.Vendor.ChangeSubscription(ctx, u.vendorID, u.Pending.vendorProductID, u.Pending.Now)
	failure := s.judgeCall(ctx, "change", err)

	if errors.Is(failure, ErrRefused) && u.Pending.Now {
		failure = ErrPaymentRefused.WithCause(err)
	}

	if err := s.settleCall(ctx, id, func(ctx context.Context, tx *postgres.Tx) error {
		// It did not happen: another may be asked for at once.
		if failure != nil && !errors.Is(failure, ErrUnclear) {
			return s.db.ChangeRefuse(ctx, tx, db.ChangeRefuseParams{ID: change, Now: s.now()})
		}

		return nil
	}); err != nil {
		return Subscription{}, err
	}

	if failure != nil {
		return Subscription{}, failure
	}

	u.follow(seen, s.now())

	return u, nil
}

// askChange writes down that a change was asked for, and what was told of it. The books keep to it once they see the new product. A look is
// staged for the case that this process ends before it can do so.
func (s *Service) askChange(ctx context.Context, userID, id uuid.UUID, productID string) (u Subscription, changeID uuid.UUID, err error) {
	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		subject, err := s.Ledger.Subject(ctx, tx, userID)
		if err != nil {
			return err
		}

		if _, err := s.db.OwnedSubscriptionLock(ctx, tx, db.OwnedSubscriptionLockParams{ID: id, Subject: &subject}); postgres.IsNotFound(err) {
			return ErrNotFound
		} else if err != nil {
			return fmt.Errorf("lock subscription: %w", err)
		}

		if u, err = s.readSubscription(ctx, tx, subject, id); err != nil {
			return err
		}

		now := s.now()

		change, err := s.tellChange(u, productID, now)
		if err != nil {
			return err
		}

		changeID, change.AskedAt = uuid.New(), now
		u.Pending = &change

		err = s.db.ChangeAsk(ctx, tx, db.ChangeAskParams{
			ID: changeID, SubscriptionID: id, FromProduct: change.From.ID, ToProduct: change.To.ID, Credits: change.Credits,
			PeriodStart: u.PeriodStart, AtOnce: change.Now, CreatedAt: now,
		})
		if err != nil {
			return fmt.Errorf("insert change: %w", err)
		}

		return s.stageLook(ctx, tx, id, lookAfterCrash)
	})

	return u, changeID, err
}

// tellChange computes what a change to a product does at a time.
func (s *Service) tellChange(u Subscription, productID string, now time.Time) (Change, error) {
	switch u.Status {
	case payments.SubscriptionActive:
	case payments.SubscriptionScheduled:
		return Change{}, ErrCanceled
	case payments.SubscriptionCanceled, payments.SubscriptionExpired:
		return Change{}, ErrEnded
	case payments.SubscriptionPastDue, payments.SubscriptionUnpaid:
		return Change{}, ErrUnpaid
	default:
		return Change{}, ErrNotReady
	}

	// Within its period alone is it known what is left of it: at its end the next payment is under way.
	if u.Product.ID == "" || u.Currency == "" || !now.Before(u.PeriodEnd) || now.Before(u.PeriodStart) {
		return Change{}, ErrNotReady
	}

	if u.Pending != nil {
		return Change{}, ErrChanging
	}

	to, price, err := s.findTarget(u, productID)
	if err != nil {
		return Change{}, err
	}

	change := Change{
		From: u.Product, To: to, Currency: u.Currency, BilledAt: u.PeriodEnd, Price: price.Amount, vendorProductID: s.Products.VendorID(price),
	}

	paid := u.Product
	if u.Rights != nil {
		paid = u.Rights.Product
	}

	switch {
	// What is paid for now is as good or better: also the way back from a downgrade that waits for the next payment.
	case !isUpgrade(paid, to):
		return change, nil
	// The vendor would charge the difference to what waits for the next payment, though more than that is paid for.
	case isUpgrade(u.Product, paid):
		return Change{}, ErrChangeBack
	// The vendor would begin a month now, and return the rest of the year: its credits, used or not, would go with it.
	case paid.Interval == products.Year && to.Interval == products.Month:
		return Change{}, refuseTarget("interval", "A plan that is paid by the year can be upgraded to one that is paid by the year. Or cancel it, and choose this one when it ends.")
	default:
		change.Now, change.BilledAt, change.Credits = true, now, countUpgradeCredits(u, to, now)

		return change, nil
	}
}

// findTarget finds a plan that a subscription can be changed to, and what it costs in its currency.
func (s *Service) findTarget(u Subscription, productID string) (products.Product, products.Price, error) {
	to, ok := s.Products.Find(productID)
	if !ok || to.Retired || to.Kind != products.Plan {
		return products.Product{}, products.Price{}, refuseTarget("enum", "Choose a plan that is sold. GET /v1/products lists them.")
	}

	if to.ID == u.Product.ID {
		return products.Product{}, products.Price{}, refuseTarget("const", "The subscription has this plan already.")
	}

	price, ok := to.PriceIn(u.Currency)
	if !ok || s.Products.VendorID(price) == "" {
		return products.Product{}, products.Price{}, refuseTarget("currency", "This plan is not sold in the currency of the subscription.")
	}

	return to, price, nil
}

// refuseTarget says why a subscription cannot be changed to a product.
func refuseTarget(keyword, detail string) error {
	return ErrProduct.WithFields(fault.Field{Pointer: "#/product", Keyword: keyword, Detail: detail})
}

// isUpgrade reports whether one plan is better than another: of a higher rank, or the year of the same.
func isUpgrade(from, to products.Product) bool {
	return to.Rank > from.Rank || to.Rank == from.Rank && from.Interval == products.Month && to.Interval == products.Year
}

// countUpgradeCredits is what an upgrade gives at once: of the difference of the monthly credits, the part for what is left of the month
// that runs, rounded down.
func countUpgradeCredits(u Subscription, to products.Product, now time.Time) int64 {
	// A year begins anew: its first month gives all of its credits by itself.
	if to.Interval != u.Product.Interval {
		return 0
	}

	more := to.Credits - u.Product.Credits
	start, end := u.PeriodStart, u.PeriodEnd

	for i := 1; i < u.Product.Interval.Months(); i++ {
		at := products.AddMonths(u.PeriodStart, i)
		if at.After(now) {
			end = at

			break
		}

		start = at
	}

	if end.After(u.PeriodEnd) {
		end = u.PeriodEnd
	}

	left, whole := end.Sub(now), end.Sub(start)
	if more <= 0 || left <= 0 || whole <= 0 {
		return 0
	}

	// At most a million credits and some months in microseconds: no overflow.
	return more * left.Microseconds() / whole.Microseconds()
}
