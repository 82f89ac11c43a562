// Package desk is what operators ask of payments: what became of a purchase, what differs, what the vendor sells, and to have it looked at
// or paid back.
//
// # Invariants
//
//   - It shows no address, no page where one pays and no id by which the vendor knows a person: the operators' role reads none.
//   - It gives and takes nothing by itself. Money goes back by package refunds; credits follow from a look, which it can ask for.
//   - It works with the rights of the operators' role, and without a vendor: only [CheckProducts] calls one.
package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/jobs"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// ErrNothing says that nothing of ours has a name.
var ErrNothing = errors.New("there is no order, subscription or checkout of ours")

// Deps are what a [Desk] works with. All are required.
type Deps struct {
	Pool     *pgxpool.Pool
	Queue    *durable.Queue
	Ledger   *credits.Ledger
	Products *products.Products
	Refunds  *refunds.Service
	Now      clock.Now
}

// Desk is the verbs. Safe for concurrent use.
type Desk struct {
	Deps

	db *db.Queries
}

// New returns a desk. It dials nothing and starts nothing.
func New(d Deps) *Desk { return &Desk{Deps: d, db: db.New()} }

// Look is a look that was asked for.
type Look struct {
	What string    `json:"what"` // order, subscription, checkout
	ID   string    `json:"id"`
	Job  uuid.UUID `json:"job_id"`
}

// Look has the books brought up to what the vendor says of whatever a name means. What is found counts as a difference: no webhook told of it.
// While a look waits or runs, it is that one, done again. Errors: [ErrNothing].
func (d *Desk) Look(ctx context.Context, n Name) (looks []Look, err error) {
	found, err := d.findTargets(ctx, n)
	if err != nil {
		return nil, err
	}

	err = postgres.RetryTx(ctx, d.Pool, func(tx *postgres.Tx) error {
		looks = nil
		asked := map[uuid.UUID]bool{}

		for _, f := range found {
			target, err := d.askAgain(ctx, tx, f)
			if err != nil {
				return err
			}

			if asked[target.id] {
				continue
			}

			asked[target.id] = true

			l, err := d.stageLook(ctx, tx, target)
			if err != nil {
				return err
			}

			looks = append(looks, l)
		}

		return nil
	})

	return looks, err
}

// askAgain has a look that runs done again, and returns what is to be looked at: the payments of a subscription are looked at with it.
func (d *Desk) askAgain(ctx context.Context, tx pgx.Tx, f target) (target, error) {
	if f.kind == kindOrder {
		of, err := d.db.DeskOrderHint(ctx, tx, f.id)
		if err != nil || of == nil {
			return f, wrapHint(err, f)
		}

		f = target{kindSubscription, *of}
	}

	if f.kind == kindSubscription {
		return f, wrapHint(d.db.DeskSubscriptionHint(ctx, tx, f.id), f)
	}

	return f, wrapHint(d.db.DeskCheckoutHint(ctx, tx, f.id), f)
}

func wrapHint(err error, f target) error {
	if err != nil {
		return fmt.Errorf("ask for a look at %s %s: %w", f.kind, f.id, err)
	}

	return nil
}

func (d *Desk) stageLook(ctx context.Context, tx pgx.Tx, f target) (Look, error) {
	var args queue.Args

	switch f.kind {
	case kindOrder:
		args = jobs.LookAtOrder{OrderID: f.id, Reconcile: true}
	case kindSubscription:
		args = jobs.LookAtSubscription{SubscriptionID: f.id, Reconcile: true}
	default:
		args = jobs.LookAtCheckout{CheckoutID: f.id, Reconcile: true}
	}

	job, err := d.Queue.Stage(ctx, tx, args, durable.Key(f.id.String()))
	if err != nil {
		return Look{}, err
	}

	return Look{What: f.kind, ID: f.publicID(), Job: job}, d.Queue.Wake(ctx, tx, args.Kind(), f.id.String())
}

// StageReconcile has our books compared with the vendor's, and returns the job that does. Whole: the vendor's lists are read to their end.
func (d *Desk) StageReconcile(ctx context.Context, whole bool) (job uuid.UUID, err error) {
	err = postgres.RetryTx(ctx, d.Pool, func(tx *postgres.Tx) error {
		job, err = d.Queue.Stage(ctx, tx, jobs.ReconcilePayments{Whole: whole})

		return err
	})

	return job, err
}

// Scan is how far a list of the vendor's is read.
type Scan struct {
	List       string     `json:"list"`
	Whole      bool       `json:"whole"` // to its end; else until it is known
	Page       int32      `json:"page"`  // that is read next
	Pages      int32      `json:"pages"` // that were read
	Items      int64      `json:"items"` // on them
	BeganAt    time.Time  `json:"began_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

// Scans returns how far each list is read.
func (d *Desk) Scans(ctx context.Context) ([]Scan, error) {
	rows, err := d.db.DeskScans(ctx, d.Pool)
	if err != nil {
		return nil, fmt.Errorf("read how far lists are read: %w", err)
	}

	list := make([]Scan, len(rows))
	for i, r := range rows {
		list[i] = Scan{r.Name, r.Whole, r.Page, r.Pages, r.Items, r.BeganAt, r.FinishedAt}
	}

	return list, nil
}
