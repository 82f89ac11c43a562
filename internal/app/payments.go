package app

import (
	"context"
	"net/http"
	"strings"
	"time"

	"imagerun/internal/auth/betterauth"
	"imagerun/internal/config"
	"imagerun/internal/httpapi"
	"imagerun/internal/inbox"
	"imagerun/internal/outbound"
	"imagerun/internal/payments"
	"imagerun/internal/payments/books"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/payments/creem"
	"imagerun/internal/payments/orders"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/reconcile"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/payments/subscriptions"
	"imagerun/internal/payments/withdrawal"
)

// sourceCreem is the name of Creem's webhooks in the inbox.
const sourceCreem = "creem"

const (
	// checkoutLifetime is how long an open checkout of a plan keeps another from beginning.
	checkoutLifetime = time.Hour
	// checkoutLook is when reconciliation looks at a checkout of which nothing was heard.
	checkoutLook = 5 * time.Minute
)

// newCreem builds the client of who sells for us; nil: nothing is sold.
func newCreem(c config.Creem, calls *outbound.Metrics) *creem.Client {
	if c.Key.IsZero() {
		return nil
	}

	return creem.New(creem.Options{
		Key: c.Key, Environment: creem.Environment(c.Environment), URL: c.URL, AllowPlainHTTP: c.AllowPlainHTTP, Metrics: calls,
	})
}

// loadProducts loads what is sold.
func loadProducts(cfg config.Config) (*products.Products, error) {
	return loadFile(cfg.Payments.ProductsPath, func(data []byte) (*products.Products, error) {
		return products.Load(data, products.Environment(cfg.Creem.Environment))
	})
}

// newBooks builds the books. A process that works no jobs has no vendor: nil.
func (b *base) newBooks(vendor *creem.Client) *books.Books {
	d := books.Deps{
		Pool: b.pool, Queue: b.queue, Ledger: b.credits, Products: b.products, Plans: b.plans, ParseHint: creem.ParseHint, Log: b.log, Now: b.clock.Now,
	}
	if vendor != nil {
		d.Vendor = vendor
	}

	return books.New(d)
}

// newReconciler builds what compares the books with the vendor's.
func (b *base) newReconciler(kept *books.Books, vendor *creem.Client, box *inbox.Inbox) *reconcile.Reconciler {
	d := reconcile.Deps{Pool: b.pool, Queue: b.queue, Books: kept, Products: b.products, Log: b.log, Now: b.clock.Now}
	if vendor == nil {
		return reconcile.New(d)
	}

	d.Vendor = vendor

	if endpoint := b.cfg.Creem.FeedEndpoint; endpoint != "" {
		d.Feed = &reconcile.Feed{
			List: func(ctx context.Context) ([]payments.FeedEvent, error) { return vendor.ListEvents(ctx, endpoint) },
			Ack:  func(ctx context.Context, id string) error { return vendor.AckEvent(ctx, endpoint, id) },
			Receive: func(ctx context.Context, e payments.FeedEvent) error {
				_, err := box.Receive(ctx, inbox.Event{Source: sourceCreem, ID: e.ID, Type: e.Type, Body: e.Body})

				return err
			},
		}
	}

	return reconcile.New(d)
}

// newRefunds builds what gives money back. A process that works no jobs has no vendor: nil.
func (b *base) newRefunds(vendor *creem.Client) *refunds.Service {
	d := refunds.Deps{Pool: b.pool, Queue: b.queue, Log: b.log, Now: b.clock.Now}
	if vendor != nil {
		d.Vendor = vendor
	}

	return refunds.New(d)
}

// newSubscriptions builds what changes subscriptions. A process without a vendor changes none: nil.
func (b *base) newSubscriptions(vendor *creem.Client) *subscriptions.Service {
	d := subscriptions.Deps{
		Pool: b.pool, Queue: b.queue, Ledger: b.credits, Products: b.products, Addresses: betterauth.NewAccounts(b.pool), Log: b.log, Now: b.clock.Now,
	}
	if vendor != nil {
		d.Vendor = vendor
	}

	return subscriptions.New(d)
}

// newInbox builds the inbox, with what works its events in a worker.
func (b *base) newInbox(handlers map[string]inbox.Handler) *inbox.Inbox {
	return inbox.New(inbox.Deps{Pool: b.pool, Queue: b.queue, Log: b.log, Now: b.clock.Now, Handlers: handlers})
}

// newPayments builds what sells; nil: nothing is sold.
func (b *base) newPayments(calls *outbound.Metrics) (*httpapi.Payments, error) {
	vendor := newCreem(b.cfg.Creem, calls)
	if vendor == nil {
		return nil, nil
	}

	webhooks, err := b.newCreemWebhooks(b.newInbox(nil))
	if err != nil {
		return nil, err
	}

	return &httpapi.Payments{
		Checkouts: checkout.New(checkout.Deps{
			Pool: b.pool, Queue: b.queue, Ledger: b.credits, Products: b.products, Vendor: vendor, Addresses: betterauth.NewAccounts(b.pool), Log: b.log, Now: b.clock.Now,
			Options: checkout.Options{ReturnURL: returnURL(b.cfg), WaiverOn: b.cfg.Payments.Waiver, Lifetime: checkoutLifetime, LookAfter: checkoutLook},
		}),
		Orders:        orders.New(b.pool, b.credits, b.products),
		Subscriptions: b.newSubscriptions(vendor),
		Withdrawals: withdrawal.New(withdrawal.Deps{
			Pool: b.pool, Queue: b.queue, Ledger: b.credits, Refunds: b.newRefunds(nil), Products: b.products, Now: b.clock.Now,
			Options: withdrawal.Options{On: b.cfg.Payments.Withdrawal},
		}),
		Webhooks: webhooks,
	}, nil
}

// newCreemWebhooks builds the endpoint of Creem's webhooks.
func (b *base) newCreemWebhooks(box *inbox.Inbox) (http.Handler, error) {
	verifier, err := creem.NewVerifier(b.cfg.Creem.WebhookSecrets, creem.Environment(b.cfg.Creem.Environment))
	if err != nil {
		return nil, err
	}

	return box.Endpoint(inbox.EndpointOptions{
		Source: sourceCreem, Verifier: verifier, Types: creem.EventTypes(), Fail: httpapi.Fail(b.log),
	}), nil
}

// returnURL is where Creem sends a person back to.
func returnURL(cfg config.Config) string {
	return strings.TrimSuffix(cfg.HTTP.PublicURL, "/") + "/checkout/return/"
}
