package main

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/phases"
	"imagerun/internal/jobs"
	"imagerun/internal/plan"
	"imagerun/internal/redact"
	"imagerun/internal/user"
	"imagerun/queue/durable"
)

// fairSystem is the product's own service on Postgres. Its clock and the provider are simulated, and
// its jobs are not worked: a generation ends when its time is over.
type fairSystem struct {
	*phases.Service

	pool     *pgxpool.Pool
	arrivals []arrival
	users    []uuid.UUID
	since    time.Time
	now      atomic.Int64 // a [time.Duration] since then

	ids   map[uuid.UUID]int // arrivals that were submitted
	ended map[int]bool
	begun map[int]time.Duration

	spent  time.Duration // in admission
	rounds int
}

func newFair(ctx context.Context, s *servers, arrivals []arrival) (*fairSystem, error) {
	url, _, err := s.newDatabase(ctx)
	if err != nil {
		return nil, err
	}

	f := &fairSystem{
		arrivals: arrivals, since: time.Now().UTC().Truncate(time.Second),
		ids: map[uuid.UUID]int{}, ended: map[int]bool{}, begun: map[int]time.Duration{},
	}
	clock := func() time.Time { return f.since.Add(time.Duration(f.now.Load())) }

	if f.pool, err = openPool(ctx, url, nil); err != nil {
		return nil, err
	}

	models, err := catalogue.Load(nil)
	if err != nil {
		return nil, err
	}

	// One plan for all, in which only the provider's slots are scarce.
	plans := &plan.Plans{Plans: []plan.Plan{{ID: plan.Default, Slots: fairSlots, QueueDepth: len(arrivals), Weight: 1, MaxImages: 1}}}
	ledger := credits.New(credits.Options{Now: clock})

	f.Service = phases.New(phases.Deps{
		Pool: f.pool, Queue: durable.New(f.pool, jobs.Kinds(), durable.Options{}), Catalogue: models, Plans: plans, Users: user.New(f.pool, plans, clock), Credits: ledger,
		Notifier: noNotifier{}, Log: slog.New(slog.DiscardHandler), Now: clock,
		Options: generation.Options{Slots: fairSlots, Deadline: 24 * time.Hour, MaxDeadline: 24 * time.Hour},
	})

	for range fairUsers + 1 {
		user := uuid.New()
		f.users = append(f.users, user)

		if err := grantCredits(ctx, f.pool, ledger, user); err != nil {
			return nil, err
		}
	}

	return f, nil
}

// grantCredits gives a user more credits than a bench can spend.
func grantCredits(ctx context.Context, pool *pgxpool.Pool, ledger *credits.Ledger, user uuid.UUID) error {
	return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
		subject, err := ledger.Subject(ctx, tx, user)
		if err != nil {
			return err
		}

		_, err = ledger.Grant(ctx, tx, credits.Grant{
			Subject: subject, Source: credits.SourcePack, Reference: "creem:" + user.String(), Credits: 1_000_000,
		})

		return err
	})
}

type noNotifier struct{}

// Notify implements [generation.Notifier].
func (noNotifier) Notify(string, uuid.UUID, int64) {}

// nextTurns ends what is over, submits what is new, admits, and says who got a turn.
func (f *fairSystem) nextTurns(ctx context.Context, waiting []int, now time.Duration, _ int) ([]int, error) {
	f.now.Store(int64(now))

	if err := f.endFinished(ctx, now); err != nil {
		return nil, err
	}

	if err := f.submitArrivals(ctx, waiting); err != nil {
		return nil, err
	}

	began := time.Now()

	if _, err := f.Admit(ctx, "fal"); err != nil {
		return nil, err
	}

	f.spent, f.rounds = f.spent+time.Since(began), f.rounds+1

	rows, err := f.pool.Query(ctx, `select id from ai_task where admitted_at is not null and finished_at is null`)
	if err != nil {
		return nil, err
	}

	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])

	var chosen []int

	for _, id := range ids {
		w := f.ids[id]
		if _, before := f.begun[w]; !before {
			f.begun[w] = now
			chosen = append(chosen, w)
		}
	}

	return chosen, err
}

// endFinished ends what the provider has been at for as long as it takes.
func (f *fairSystem) endFinished(ctx context.Context, now time.Duration) error {
	var over []uuid.UUID

	for id, w := range f.ids {
		if began, ok := f.begun[w]; ok && !f.ended[w] && began+f.arrivals[w].service <= now {
			over, f.ended[w] = append(over, id), true
		}
	}

	_, err := f.pool.Exec(ctx, `update ai_task set status = 'succeeded', finished_at = $2 where id = any($1)`, over, f.since.Add(now))

	return err
}

// submitArrivals submits what has arrived: of each user one after the other, of all users at once.
func (f *fairSystem) submitArrivals(ctx context.Context, waiting []int) error {
	fresh := map[int][]int{} // by user

	for _, w := range waiting {
		if w >= len(f.ids) {
			fresh[f.arrivals[w].user] = append(fresh[f.arrivals[w].user], w)
		}
	}

	type made struct {
		id uuid.UUID
		w  int
	}

	var (
		all   = make(chan made, len(f.arrivals))
		group errgroup.Group
	)

	group.SetLimit(8)

	for user, list := range fresh {
		slices.SortFunc(list, cmp.Compare[int])
		group.Go(func() error {
			for _, w := range list {
				out, err := f.Submit(ctx, generation.Submission{
					UserID: f.users[user], Request: catalogue.Request{Model: "z-image-turbo", Prompt: redact.NewPersonal("a red fox")},
				})
				if err != nil {
					return err
				}

				all <- made{out.ID, w}
			}

			return nil
		})
	}

	if err := group.Wait(); err != nil {
		return err
	}

	close(all)

	for m := range all {
		f.ids[m.id] = m.w
	}

	return nil
}
