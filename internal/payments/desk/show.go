package desk

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/payments/books"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/postgres"
	"imagerun/internal/publicid"
)

// maxEvents is how many webhooks are shown of a case.
const maxEvents = 50

// caseReader gathers a case.
type caseReader struct {
	*Desk

	tx  db.DBTX
	ids map[string][]uuid.UUID // by kind
	out Case
	// names are what differences and webhooks may call it.
	names []string
}

// Show returns everything about what a name means: an order comes with its subscription and checkout, these with their orders. Errors:
// [ErrNothing].
func (d *Desk) Show(ctx context.Context, n Name) (Case, error) {
	found, err := d.findTargets(ctx, n)
	if err != nil {
		return Case{}, err
	}

	r := caseReader{Desk: d, tx: d.Pool, ids: map[string][]uuid.UUID{kindOrder: {}, kindSubscription: {}, kindCheckout: {}}}
	for _, f := range found {
		r.ids[f.kind] = append(r.ids[f.kind], f.id)
	}

	for _, step := range []func(context.Context) error{r.readOrders, r.readSubscriptions, r.readCheckouts, r.readReturns, r.readDifferences, r.readEvents} {
		if err := step(ctx); err != nil {
			return Case{}, fmt.Errorf("read %s: %w", n.Text, err)
		}
	}

	return r.out, nil
}

func (r *caseReader) readOrders(ctx context.Context) error {
	rows, err := r.db.DeskOrders(ctx, r.tx, db.DeskOrdersParams{Ids: r.ids[kindOrder], Subscriptions: r.ids[kindSubscription], Checkouts: r.ids[kindCheckout]})
	if err != nil {
		return err
	}

	r.ids[kindOrder] = r.ids[kindOrder][:0]
	r.out.Orders = make([]Order, 0, len(rows))

	for _, row := range rows {
		o, err := r.buildOrder(ctx, r.tx, row)
		if err != nil {
			return err
		}

		r.out.Orders = append(r.out.Orders, o)
		r.ids[kindOrder] = append(r.ids[kindOrder], row.ID)
		r.addName(row.ID.String(), o.VendorID, o.TransactionID)

		for kind, id := range map[string]*uuid.UUID{kindSubscription: row.SubscriptionID, kindCheckout: row.CheckoutID} {
			if id != nil {
				r.ids[kind] = append(r.ids[kind], *id)
			}
		}
	}

	return nil
}

func (r *caseReader) readSubscriptions(ctx context.Context) error {
	rows, err := r.db.DeskSubscriptions(ctx, r.tx, db.DeskSubscriptionsParams{Ids: r.ids[kindSubscription], Checkouts: r.ids[kindCheckout]})
	if err != nil {
		return err
	}

	ids := make([]uuid.UUID, 0, len(rows))
	r.out.Subscriptions = make([]Subscription, 0, len(rows))

	for _, s := range rows {
		ids = append(ids, s.ID)
		r.addName(s.ID.String(), s.VendorID)
		r.out.Subscriptions = append(r.out.Subscriptions, Subscription{
			ID: target{kindSubscription, s.ID}.publicID(), VendorID: s.VendorID, Subject: s.Subject, ProductID: postgres.TextOrEmpty(s.ProductID), Status: s.Status,
			PeriodStart: s.PeriodStart, PeriodEnd: s.PeriodEnd, CanceledAt: s.CanceledAt, LookedAt: s.LookedAt, NextLookAt: s.NextLookAt,
		})

		if s.CheckoutID != nil {
			r.ids[kindCheckout] = append(r.ids[kindCheckout], *s.CheckoutID)
		}
	}

	changes, err := r.db.DeskChanges(ctx, r.tx, ids)
	r.out.Changes = make([]Change, 0, len(changes))

	for _, c := range changes {
		r.out.Changes = append(r.out.Changes, Change{c.ID, c.FromProduct, c.ToProduct, c.Credits, c.Status, c.CreatedAt})
	}

	return err
}

func (r *caseReader) readCheckouts(ctx context.Context) error {
	rows, err := r.db.DeskCheckouts(ctx, r.tx, r.ids[kindCheckout])
	r.out.Checkouts = make([]Checkout, 0, len(rows))

	for _, c := range rows {
		r.addName(c.ID.String(), postgres.TextOrEmpty(c.VendorID))
		r.out.Checkouts = append(r.out.Checkouts, Checkout{
			ID: target{kindCheckout, c.ID}.publicID(), VendorID: postgres.TextOrEmpty(c.VendorID), Subject: c.Subject, ProductID: c.ProductID, Status: c.Status,
			Currency: c.Currency, Amount: c.Amount, WaivedAt: c.WaivedAt, CreatedAt: c.CreatedAt, ExpiresAt: c.ExpiresAt, EndedAt: c.EndedAt, NextLookAt: c.NextLookAt,
		})
	}

	return err
}

// readReturns reads the money that goes back.
func (r *caseReader) readReturns(ctx context.Context) error {
	rows, err := r.db.DeskRefunds(ctx, r.tx, r.ids[kindOrder])
	if err != nil {
		return err
	}

	r.out.Refunds = make([]Refund, 0, len(rows))

	for _, f := range rows {
		r.addName(f.ID.String())
		r.out.Refunds = append(r.out.Refunds, Refund{
			ID: f.ID, OrderID: target{kindOrder, f.OrderID}.publicID(), Amount: f.Amount, Reason: refunds.Reason(f.Reason), Actor: f.Actor,
			Status: refunds.Status(f.Status), CreatedAt: f.CreatedAt, SentAt: f.SentAt, EndedAt: f.EndedAt,
		})
	}

	declared, err := r.db.DeskWithdrawals(ctx, r.tx, r.ids[kindOrder])
	r.out.Withdrawals = make([]Withdrawal, 0, len(declared))

	for _, w := range declared {
		r.out.Withdrawals = append(r.out.Withdrawals, Withdrawal{w.ID, w.Number, target{kindOrder, w.OrderID}.publicID(), w.RefundID, w.Amount, w.Credits, w.DeclaredAt})
	}

	return err
}

func (r *caseReader) readDifferences(ctx context.Context) error {
	rows, err := r.db.DeskDifferencesAbout(ctx, r.tx, r.names)
	r.out.Differences = make([]Difference, 0, len(rows))

	for _, row := range rows {
		r.out.Differences = append(r.out.Differences, differenceOf(row))
	}

	return err
}

// readEvents asks which webhooks named the vendor's ids: a function of the database does, which may read them.
func (r *caseReader) readEvents(ctx context.Context) error {
	rows, err := r.tx.Query(ctx, `select id, event_type, state, coalesce(code, ''), received_at from payment_events_about($1, $2)`, r.names, maxEvents)
	if err != nil {
		return err
	}

	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Event, err error) {
		return e, row.Scan(&e.ID, &e.Type, &e.State, &e.Code, &e.ReceivedAt)
	})
	r.out.Events = append([]Event{}, list...)

	return err
}

func (r *caseReader) addName(names ...string) {
	for _, n := range names {
		if n != "" {
			r.names = append(r.names, n)
		}
	}
}

func (d *Desk) buildOrder(ctx context.Context, tx db.DBTX, row db.DeskOrdersRow) (o Order, err error) {
	o = Order{
		ID: target{kindOrder, row.ID}.publicID(), Code: publicid.SupportCode(row.ID), VendorID: postgres.TextOrEmpty(row.OrderID),
		TransactionID: postgres.TextOrEmpty(row.TransactionID), Subject: row.Subject, Kind: row.Kind, ProductID: postgres.TextOrEmpty(row.ProductID),
		Customer: postgres.TextOrEmpty(row.CustomerMask), Currency: row.Currency, Net: row.Net, Tax: row.Tax, Paid: row.Paid, PaidAt: row.PaidAt,
		PeriodStart: row.PeriodStart, PeriodEnd: row.PeriodEnd, Credits: row.Credits, NextCreditsAt: row.NextCreditsAt, Refunded: row.Refunded,
		RefundPending: row.RefundPending, Disputed: row.Disputed, NextLookAt: row.NextLookAt,
	}

	if row.CreditsEach != nil {
		o.creditsEach = *row.CreditsEach
	}

	if row.SubscriptionID != nil {
		o.SubscriptionID = target{kindSubscription, *row.SubscriptionID}.publicID()
	}

	if p, ok := d.Products.Find(o.ProductID); ok {
		o.Product = p.Name
	}

	o.TakenBack, err = d.Ledger.TakenBack(ctx, tx, d.listReferences(row)...)

	return o, err
}

// listReferences lists under which references the ledger has what an order gave. None: it is not known yet.
func (d *Desk) listReferences(row db.DeskOrdersRow) []string {
	product, known := d.Products.Find(postgres.TextOrEmpty(row.ProductID))

	switch {
	case products.Kind(row.Kind) == products.Pack && row.OrderID != nil:
		return []string{books.PackReference(*row.OrderID)}
	case row.SubscriptionVendorID == nil:
		return nil
	case row.ChangeID != nil:
		return []string{books.ChangeReference(*row.SubscriptionVendorID, *row.ChangeID)}
	case known && row.PeriodStart != nil:
		return books.MonthReferences(*row.SubscriptionVendorID, product, *row.PeriodStart, *row.PeriodEnd)
	default:
		return nil
	}
}
