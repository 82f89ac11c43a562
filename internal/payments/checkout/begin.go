package checkout

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/idempotency"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/postgres"
	"imagerun/internal/publicid"
)

const (
	// creatingTime is how long a row may wait for the vendor: longer than any request, so that one which still waits was interrupted.
	creatingTime = 2 * time.Minute
	// noteTime is for writing down how the call ended, even if the request is over.
	noteTime = 5 * time.Second
)

// wish is a request that the products have found good.
type wish struct {
	Request

	id       uuid.UUID
	product  products.Product
	price    products.Price
	vendorID string // of the product
}

// Begin makes a checkout: our row, then the vendor's page, then its address. A replay of an earlier request returns
// that one's checkout, unless it failed or expired: then the key begins another. Errors: [ErrProduct], [ErrCurrency], [ErrSubscribed], [OpenError], [ErrUnavailable],
// [ErrRefused], those of [idempotency.Begin].
func (s *Service) Begin(ctx context.Context, userID uuid.UUID, r Request) (Checkout, error) {
	w, err := s.newWish(r)
	if err != nil {
		return Checkout{}, err
	}

	email, err := s.Addresses.AddressOf(ctx, userID)
	if err != nil {
		return Checkout{}, err
	}

	var replay *Checkout

	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		replay, err = s.insertRow(ctx, tx, userID, w)

		return err
	})

	switch {
	case err != nil:
		return Checkout{}, err
	case replay != nil:
		return *replay, nil
	}

	made, err := s.callVendor(ctx, payments.NewCheckout{
		CheckoutID: w.id, ProductID: w.vendorID, Email: email, ReturnURL: s.Options.ReturnURL + publicid.Format(publicid.PrefixCheckout, w.id),
	})
	if err := s.noteOutcome(ctx, w, made, err); err != nil {
		return Checkout{}, err
	}

	return s.Get(ctx, userID, w.id)
}

// newWish judges what can be judged by the products alone.
func (s *Service) newWish(r Request) (wish, error) {
	r.Waive = r.Waive && s.Options.WaiverOn
	w := wish{Request: r, id: uuid.New()}

	var known bool
	if w.product, known = s.Products.Find(r.ProductID); !known || w.product.Retired {
		return wish{}, ErrProduct.WithFields(fault.Field{Pointer: "#/product", Keyword: "enum", Detail: "Send the id of a product that GET /v1/products lists."})
	}

	w.price, known = w.product.PriceIn(r.Currency)

	if w.vendorID = s.Products.VendorID(w.price); !known || w.vendorID == "" {
		return wish{}, ErrCurrency.WithFields(fault.Field{Pointer: "#/currency", Keyword: "enum", Detail: s.listCurrencies(w.product)})
	}

	return w, nil
}

func (s *Service) listCurrencies(p products.Product) string {
	var sold []string

	for _, price := range p.Prices {
		if s.Products.VendorID(price) != "" {
			sold = append(sold, price.Currency)
		}
	}

	if len(sold) == 0 {
		return "It is sold in none now."
	}

	return "It is sold in " + strings.Join(sold, " and ") + "."
}

// insertRow writes the row of a wish, if its owner may have one, or returns the checkout that an earlier request has made.
func (s *Service) insertRow(ctx context.Context, tx *postgres.Tx, userID uuid.UUID, w wish) (*Checkout, error) {
	// 1. A repeated request begins nothing.
	subject, err := s.Ledger.Subject(ctx, tx, userID)
	if err != nil {
		return nil, err
	}

	if replay, err := s.findReplay(ctx, tx, userID, subject, w); replay != nil || err != nil {
		return replay, err
	}

	// 2. Of plans there is one subscription, and one checkout.
	now := s.Now()
	isPlan := w.product.Kind == products.Plan

	if isPlan {
		if err := s.makeRoom(ctx, tx, subject, now); err != nil {
			return nil, err
		}
	}

	// 3. The row.
	row := db.CheckoutInsertParams{
		ID: w.id, Subject: subject, ProductID: w.product.ID, Plan: isPlan, Currency: w.price.Currency, Amount: w.price.Amount,
		Waiver: w.waiver(), CreatedAt: now, ExpiresAt: now.Add(creatingTime),
	}
	if row.Waiver != nil {
		row.WaivedAt = &now
	}

	inserted, err := s.db.CheckoutInsert(ctx, tx, row)
	if err != nil {
		return nil, fmt.Errorf("insert checkout: %w", err)
	}

	if inserted == 0 {
		open, err := s.db.CheckoutOpenPlan(ctx, tx, subject)
		if err != nil {
			return nil, fmt.Errorf("find the open checkout of a plan: %w", err)
		}

		return nil, &OpenError{ID: open}
	}

	if w.IdempotencyKey == "" {
		return nil, nil //nolint:nilnil // it is the first
	}

	return nil, idempotency.Finish(ctx, tx, userID, w.IdempotencyKey, w.Fingerprint, idempotency.Record{ResourceID: w.id, Status: http.StatusCreated})
}

// findReplay claims the key of a request, and returns the checkout that it stands for already. One that cannot be paid any more, and was
// not, is none: who asks again with the same key, as they are told to, wants another.
func (s *Service) findReplay(ctx context.Context, tx *postgres.Tx, userID, subject uuid.UUID, w wish) (*Checkout, error) {
	if w.IdempotencyKey == "" {
		return nil, nil //nolint:nilnil // no key stands for nothing
	}

	record, err := idempotency.Begin(ctx, tx, userID, w.IdempotencyKey, w.Fingerprint)
	if err != nil || record == nil {
		return nil, err
	}

	c, err := s.readOwned(ctx, tx, subject, record.ResourceID)
	if err != nil || c.Status == StatusFailed || c.Status == StatusExpired {
		return nil, err
	}

	c.Replay = record

	return &c, nil
}

// makeRoom ends the checkouts of plans whose time is over, and refuses a plan to who has one.
func (s *Service) makeRoom(ctx context.Context, tx *postgres.Tx, subject uuid.UUID, now time.Time) error {
	subscribed, err := s.db.CheckoutSubscribed(ctx, tx, &subject)
	if err != nil {
		return fmt.Errorf("look for a subscription: %w", err)
	}

	if subscribed {
		return ErrSubscribed
	}

	return fault.Wrap(s.db.CheckoutExpirePlans(ctx, tx, db.CheckoutExpirePlansParams{Subject: subject, Now: &now}), "expire checkouts of plans")
}

// callVendor has the vendor make the page, a second time if it is not known whether there is one.
func (s *Service) callVendor(ctx context.Context, c payments.NewCheckout) (payments.Checkout, error) {
	made, err := s.Vendor.CreateCheckout(ctx, c)
	if payments.ClassOf(err) == payments.Unknown {
		made, err = s.Vendor.CreateCheckout(ctx, c)
	}

	return made, err
}

// noteOutcome writes down how the call of the vendor ended, and says so to the caller.
func (s *Service) noteOutcome(ctx context.Context, w wish, made payments.Checkout, failure error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer cancel()

	now := s.Now()

	if failure != nil {
		if err := s.db.CheckoutFailed(ctx, s.Pool, db.CheckoutFailedParams{ID: w.id, EndedAt: &now}); err != nil {
			s.Log.Warn("checkout stays until it expires", slog.String("checkout_id", w.id.String()), slog.Any("error", err))
		}

		return s.explainFailure(w, failure)
	}

	opened, err := s.db.CheckoutOpened(ctx, s.Pool, db.CheckoutOpenedParams{
		ID: w.id, VendorID: &made.ID, Url: &made.URL, ExpiresAt: now.Add(s.Options.Lifetime), NextLookAt: new(now.Add(s.Options.LookAfter)),
	})
	if err != nil {
		return fmt.Errorf("open checkout %s: %w", w.id, err)
	}

	if opened == 0 {
		return ErrUnavailable // it took so long that the row has expired: the caller does not get the address
	}

	return nil
}

// explainFailure makes of a failure of the vendor what the buyer is told.
func (s *Service) explainFailure(w wish, err error) error {
	switch payments.ClassOf(err) {
	case payments.Transient, payments.Unknown:
		s.Log.Warn("checkout failed", slog.String("checkout_id", w.id.String()), slog.String("product", w.product.ID), slog.Any("error", err))

		return ErrUnavailable.WithCause(err)
	default:
		// The vendor refuses the product or our key: an operator must look.
		s.Log.Error("checkout was refused", slog.String("checkout_id", w.id.String()), slog.String("product", w.product.ID), slog.Any("error", err))

		return ErrRefused.WithCause(err)
	}
}
