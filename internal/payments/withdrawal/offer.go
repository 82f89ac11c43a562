package withdrawal

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/postgres"
)

// days is how many days the law gives, after the one of the payment.
const days = 14

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

// assessment is an offer, and what is taken back of which grant for it.
type assessment struct {
	Offer

	take []credits.Unspent
}

// Offer tells what a withdrawal would return now. Errors: [ErrNotFound], [ErrOff], [ErrTooLate], [ErrWithdrawn], [ErrRefunded],
// [ErrDisputed], [ErrUsedUp], [ErrNotReady].
func (s *Service) Offer(ctx context.Context, userID, orderID uuid.UUID) (Offer, error) {
	var a assessment

	err := postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		subject, order, err := s.lockOrder(ctx, tx, userID, orderID)
		if err != nil {
			return err
		}

		_, err = s.db.WithdrawalOf(ctx, tx, orderID)

		switch {
		case err == nil:
			return ErrWithdrawn
		case !postgres.IsNotFound(err):
			return fmt.Errorf("look for withdrawal: %w", err)
		}

		a, err = s.assessOrder(ctx, tx, subject, order)

		return err
	})

	return a.Offer, fault.Wrap(err, "offer withdrawal from order "+orderID.String())
}

// lockOrder finds a person's order.
func (s *Service) lockOrder(ctx context.Context, tx pgx.Tx, userID, orderID uuid.UUID) (subject uuid.UUID, order db.WithdrawalOrderRow, err error) {
	if subject, err = s.Ledger.Subject(ctx, tx, userID); err != nil {
		return subject, order, err
	}

	order, err = s.db.WithdrawalOrder(ctx, tx, db.WithdrawalOrderParams{ID: orderID, Subject: &subject})

	switch {
	case postgres.IsNotFound(err):
		err = ErrNotFound
	case err != nil:
		err = fmt.Errorf("lock order: %w", err)
	}

	return subject, order, err
}

// assessOrder computes what a withdrawal from an order returns. It stays so until tx ends.
func (s *Service) assessOrder(ctx context.Context, tx pgx.Tx, subject uuid.UUID, order db.WithdrawalOrderRow) (a assessment, err error) {
	until := s.findLastMoment(order.PaidAt)
	if err := s.judgeOrder(ctx, tx, order, until); err != nil {
		return a, err
	}

	product, ok := s.Products.Find(postgres.TextOrEmpty(order.ProductID))
	references := s.listReferences(order, product)

	if !ok || len(references) == 0 || order.CreditsEach == nil || order.Paid <= 0 {
		return a, ErrNotReady
	}

	each := *order.CreditsEach

	a.Offer = Offer{
		OrderID: order.ID, Product: product, Currency: order.Currency, Paid: order.Paid, Waived: order.Waived, EndsPlan: order.SubscriptionID != nil,
		Until: until, Given: each,
	}

	// A year pays for the credits of all its months: those that are yet to come were not used.
	if product.Kind == products.Plan && order.ChangeID == nil {
		a.Given *= int64(product.Interval.Months())
	}

	grants, err := s.Ledger.Unspent(ctx, tx, subject, references...)
	if err != nil {
		return a, err
	}

	came := map[string]bool{}

	for _, g := range grants {
		came[g.Reference] = true
		a.Used += g.Amount - g.Credits
		a.Credits += g.Credits
		a.take = append(a.take, g)
	}

	// Credits that come a moment later come in vain.
	for _, r := range references {
		if !came[r] {
			a.take = append(a.take, credits.Unspent{Reference: r, Amount: each, Credits: each})
		}
	}

	a.Money = order.Paid
	if order.Waived && a.Used > 0 {
		a.Money = order.Paid * max(0, a.Given-a.Used) / a.Given // at most a million units and some millions of credits
	}

	if a.Money == 0 {
		return a, ErrUsedUp
	}

	a.ByHand = order.TransactionID == nil || !refunds.IsWhole(a.Money, order.Paid, order.Refunded)
	a.Token = tokenOf(a.Offer)

	return a, nil
}

// judgeOrder says why an order cannot be withdrawn from; nil: it can be.
func (s *Service) judgeOrder(ctx context.Context, tx pgx.Tx, order db.WithdrawalOrderRow, until time.Time) error {
	refunded, err := s.db.WithdrawalOrderRefunds(ctx, tx, order.ID)

	switch {
	case err != nil:
		return fmt.Errorf("look for refunds: %w", err)
	case !s.Options.On:
		return ErrOff
	case order.Disputed:
		return ErrDisputed
	case refunded || order.Refunded > 0 || order.RefundPending:
		return ErrRefunded
	case !s.now().Before(until):
		return ErrTooLate
	default:
		return nil
	}
}

// findLastMoment returns when the right to withdraw ends: with the last of the days after the one of the payment, which does not
// count itself (Regulation 1182/71, Art. 3). Days are those of UTC.
func (s *Service) findLastMoment(paidAt time.Time) time.Time {
	n := s.Options.Days
	if n == 0 {
		n = days
	}

	y, m, d := paidAt.UTC().Date()

	return time.Date(y, m, d+n+1, 0, 0, 0, 0, time.UTC)
}

// listReferences lists under which names the ledger has the credits that an order gave by now. None: it is not known yet.
func (s *Service) listReferences(order db.WithdrawalOrderRow, product products.Product) (list []string) {
	switch {
	case product.Kind == products.Pack && order.OrderID != nil:
		return []string{"creem:" + *order.OrderID}
	case product.Kind != products.Plan || order.SubscriptionVendorID == nil || order.PeriodStart == nil:
		return nil
	case order.ChangeID != nil:
		return []string{"sub:" + *order.SubscriptionVendorID + ":change:" + order.ChangeID.String()}
	}

	for i := range product.Interval.Months() {
		at := products.AddMonths(*order.PeriodStart, i)
		if i > 0 && (at.After(s.now()) || !at.Before(*order.PeriodEnd)) {
			break
		}

		list = append(list, "sub:"+*order.SubscriptionVendorID+":"+at.Format(time.RFC3339))
	}

	return list
}

// tokenOf names an offer by all that it says.
func tokenOf(o Offer) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "withdrawal %s %d %d %d %d %d %s %t %t %d",
		o.OrderID, o.Paid, o.Money, o.Given, o.Used, o.Credits, o.Currency, o.Waived, o.ByHand, o.Until.Unix()))

	return hex.EncodeToString(sum[:16])
}
