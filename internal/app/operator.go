package app

import (
	"errors"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/history"
	"imagerun/internal/generation/phases"
	"imagerun/internal/inbox"
	"imagerun/internal/jobs"
	"imagerun/internal/payments/creem"
	"imagerun/internal/payments/desk"
	"imagerun/internal/payments/products"
	"imagerun/internal/payments/reconcile"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/plan"
	"imagerun/internal/storage/sweep"
	"imagerun/internal/upload"
	"imagerun/internal/user"
	"imagerun/queue/durable"
)

// NewGenerations returns as much of the domain as an operator's command needs, with the models and plans that the processes
// have. It has the database alone: jobs are woken there, and a scheduler pushes them.
func NewGenerations(cfg config.Config, pool *pgxpool.Pool) (*phases.Service, error) {
	models, modelsErr := loadFile(cfg.Generation.CataloguePath, catalogue.Load)
	plans, plansErr := loadFile(cfg.Generation.PlansPath, plan.Load)

	if err := errors.Join(modelsErr, plansErr); err != nil {
		return nil, err
	}

	return phases.New(phases.Deps{
		Pool: pool, Queue: durable.New(pool, jobs.Kinds(), durable.Options{}), Catalogue: models, Plans: plans,
		Users: user.New(pool, plans, clock.System), Credits: newLedger(cfg.Credits, clock.System),
		Notifier: noNotifier{}, Log: slog.New(slog.DiscardHandler), Now: clock.System,
	}), nil
}

// noNotifier is for a process without Redis: what watches a generation looks at it every few seconds all the same.
type noNotifier struct{}

// Notify implements generation.Notifier.
func (noNotifier) Notify(string, uuid.UUID, int64) {}

// NewSweeper returns what compares the bucket with every table that owns objects. A table that
// comes to own some is a line here: until it is, its objects are foreign, and left alone.
func NewSweeper(pool *pgxpool.Pool, bucket sweep.Bucket, now clock.Now) *sweep.Sweeper {
	return sweep.New(bucket, now, history.NewObjects(pool, now), upload.NewObjects(pool, now))
}

// Payments is what operators' commands ask of payments. It has the database alone, but for those that compare with the vendor.
type Payments struct {
	Desk     *desk.Desk
	Inbox    *inbox.Inbox
	Products *products.Products
	// Vendor is nil without creem.key.
	Vendor *creem.Client
	// Reconciler compares in dry runs alone: it can write nothing. Nil without a vendor.
	Reconciler *reconcile.Reconciler
}

// NewPayments returns it, with the products that the processes have.
func NewPayments(cfg config.Config, pool *pgxpool.Pool) (*Payments, error) {
	shop, err := loadProducts(cfg)
	if err != nil {
		return nil, err
	}

	queue, log := durable.New(pool, jobs.Kinds(), durable.Options{}), slog.New(slog.DiscardHandler)
	p := &Payments{
		Desk: desk.New(desk.Deps{
			Pool: pool, Queue: queue, Ledger: newLedger(cfg.Credits, clock.System), Products: shop,
			Refunds: refunds.New(refunds.Deps{Pool: pool, Queue: queue, Log: log, Now: clock.System}), Now: clock.System,
		}),
		Inbox:    inbox.New(inbox.Deps{Pool: pool, Queue: queue, Log: log, Now: clock.System}),
		Products: shop, Vendor: newCreem(cfg.Creem, nil),
	}

	if p.Vendor != nil {
		p.Reconciler = reconcile.New(reconcile.Deps{Pool: pool, Queue: queue, Products: shop, Vendor: p.Vendor, Log: log, Now: clock.System})
	}

	return p, nil
}

// Close gives back the connections to the vendor.
func (p *Payments) Close() {
	if p.Vendor != nil {
		p.Vendor.Close()
	}
}
