// Package reconcile finds what webhooks did not tell: it compares our books with the vendor's, and has looked at whatever differs.
//
// # Invariants
//
//   - It gives and takes nothing by itself: it stages looks, which are the same that webhooks stage.
//   - A list of the vendor's may move while it is read: what is read twice changes nothing, and what was missed is found by the next
//     reading. A reading that is interrupted goes on from its page.
//   - One page is in memory at a time.
//   - An event of the pull feed is acknowledged when it is committed here, and not before: any acknowledgement removes it there.
package reconcile

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/jobs"
	"imagerun/internal/payments"
	"imagerun/internal/payments/db"
	"imagerun/internal/payments/products"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// Vendor is whose books ours are compared with. Every method is one call, without an effect there but for AckEvent.
type Vendor interface {
	ListTransactions(ctx context.Context, f payments.TransactionFilter, page int) (payments.Page[payments.Transaction], error)
	ListSubscriptions(ctx context.Context, page int) (payments.Page[payments.Subscription], error)
}

// Hinter has looked at what a hint names; books.Books does.
type Hinter interface {
	Hint(ctx context.Context, tx pgx.Tx, h payments.Hint, reconcile bool) error
}

// Deps are what a [Reconciler] works with. All are required, except where said.
type Deps struct {
	Pool     *pgxpool.Pool
	Queue    *durable.Queue
	Books    Hinter
	Products *products.Products
	Vendor   Vendor // nil: nothing is sold, and nothing compared
	Feed     *Feed  // nil: there is no pull feed
	Log      *slog.Logger
	Now      clock.Now
}

// Reconciler compares. Safe for concurrent use.
type Reconciler struct {
	Deps

	db *db.Queries
}

// New returns a reconciler. It dials nothing and starts nothing.
func New(d Deps) *Reconciler { return &Reconciler{Deps: d, db: db.New()} }

// Register makes the reconciler the handler of its job.
func (r *Reconciler) Register(reg *queue.Registry) { queue.Register(reg, worker{r}) }

const (
	// slice is how long one run takes before it lets other jobs have its place.
	slice = time.Minute
	// batch is how many rows are looked at in one transaction.
	batch = 500
	// lookLater is when a row is due again whose look came to nothing.
	lookLater = 6 * time.Hour
)

// Options choose what is compared.
type Options struct {
	Whole  bool // the vendor's lists are read to their end
	DryRun bool // nothing is written, and nothing looked at
	// Tell is called for each difference of a dry run.
	Tell func(Finding)
	// Until is when the run gives its place to others; zero: it goes on to the end.
	Until time.Time
}

// Finding is something that our books and the vendor's do not have alike.
type Finding struct {
	What string // payment, refund, dispute, subscription
	ID   string // the vendor's
}

// Report is what a run came to.
type Report struct {
	Calls    int   // of the vendor
	Pages    int   // that were read
	Items    int64 // on them
	Findings int   // that differed
	Looks    int   // that were due, and staged
	Events   int   // taken from the feed
	Whole    bool  // everything was read; false: until it was known
	Done     bool  // false: there is more, and others had the place
	Took     time.Duration
}

// worker works the job.
type worker struct{ *Reconciler }

// Handle implements [queue.Handler].
func (h worker) Handle(ctx context.Context, job *queue.Job[jobs.ReconcilePayments]) error {
	if h.Vendor == nil {
		return nil
	}

	report, err := h.Run(ctx, Options{Whole: job.Args.Whole, Until: h.Now().Add(slice)})
	if err != nil {
		return err
	}

	if !report.Done {
		return queue.Snooze(0)
	}

	h.Log.InfoContext(ctx, "payments were reconciled", slog.Bool("whole", job.Args.Whole), slog.Int("pages", report.Pages), slog.Int64("items", report.Items),
		slog.Int("findings", report.Findings), slog.Int("looks", report.Looks), slog.Duration("took", report.Took))

	return nil
}

// Run compares our books with the vendor's. What it comes to is true as far as it came, with an error too.
func (r *Reconciler) Run(ctx context.Context, o Options) (report Report, err error) {
	began := r.Now()
	defer func() { report.Took = r.Now().Sub(began) }()

	report.Whole = o.Whole

	if !o.DryRun {
		if err := r.db.DifferencesKnown(ctx, r.Pool, &began); err != nil {
			return report, fmt.Errorf("settle differences of payments that are known by now: %w", err)
		}

		if err := r.stageDue(ctx, &report); err != nil {
			return report, err
		}
	}

	if r.Feed != nil && !o.DryRun {
		if err := r.Feed.pull(ctx, &report); err != nil {
			return report, err
		}
	}

	if done, err := r.scanTransactions(ctx, o, &report); err != nil || !done {
		return report, err
	}

	report.Done, err = r.scanSubscriptions(ctx, o, &report)

	return report, err
}

// stageDue stages the looks whose time has come.
func (r *Reconciler) stageDue(ctx context.Context, report *Report) error {
	for {
		n, err := r.stageBatch(ctx)
		report.Looks += n

		if err != nil || n < batch {
			return err
		}
	}
}

func (r *Reconciler) stageBatch(ctx context.Context) (n int, err error) {
	now := r.Now()
	later := now.Add(lookLater)

	err = postgres.RetryTx(ctx, r.Pool, func(tx *postgres.Tx) error {
		due, err := r.db.LooksDue(ctx, tx, db.LooksDueParams{Now: &now, Most: batch})
		if err != nil {
			return fmt.Errorf("list looks that are due: %w", err)
		}

		ids := make([]uuid.UUID, 0, len(due))

		for _, d := range due {
			if _, err := r.Queue.Stage(ctx, tx, lookAt(d), durable.Key(d.ID.String())); err != nil {
				return err
			}

			ids = append(ids, d.ID)
		}

		n = len(ids)

		return fault.Wrap(r.db.LooksLater(ctx, tx, db.LooksLaterParams{Ids: ids, Later: &later}), "put looks off")
	})

	return n, err
}

// lookAt is the job that looks at a row.
func lookAt(d db.LooksDueRow) queue.Args {
	switch d.Kind {
	case "checkout":
		return jobs.LookAtCheckout{CheckoutID: d.ID, Reconcile: true}
	case "subscription":
		return jobs.LookAtSubscription{SubscriptionID: d.ID, Reconcile: true}
	default:
		return jobs.LookAtOrder{OrderID: d.ID, Reconcile: true}
	}
}
