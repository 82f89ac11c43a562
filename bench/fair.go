package main

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	"imagerun/internal/redact"
	"imagerun/queue"
	"imagerun/queue/durable"
)

const (
	fairSlots = 8  // of the provider
	fairUsers = 20 // who want little
	fairTasks = 5  // of each of them
)

func fairBench() bench {
	return bench{
		name:  "fair",
		aim:   "the 20 users' waits, mean and longest, ≤ 1.5 × those of an ideal round robin",
		jobs:  1000, // of the one who wants much
		round: fairRound,
		judge: func(m map[string]figures) (map[string]float64, bool) {
			r := map[string]float64{
				"mean wait of the 20: ours ÷ ideal":    m[ours]["wait_mean_s"] / m["ideal"]["wait_mean_s"],
				"longest wait of the 20: ours ÷ ideal": m[ours]["wait_max_s"] / m["ideal"]["wait_max_s"],
				"mean wait of the 20: ours ÷ FIFO":     m[ours]["wait_mean_s"] / m["fifo"]["wait_mean_s"],
				"until all is done: ours ÷ FIFO":       m[ours]["all_done_s"] / m["fifo"]["all_done_s"],
			}

			return r, r["mean wait of the 20: ours ÷ ideal"] <= 1.5 && r["longest wait of the 20: ours ÷ ideal"] <= 1.5
		},
	}
}

// wish is one generation: whose, and how long the provider takes for it, whoever decides about turns.
type wish struct {
	user    int // 0 is the one who wants much
	at      time.Duration
	service time.Duration
}

// fairRound has every way of giving turns do the same work: one user asks for much, and a second
// later, when all slots are taken, twenty ask for little.
func fairRound(ctx context.Context, s *servers, o options) (map[string]figures, error) {
	random := rand.New(rand.NewPCG(rand.Uint64(), 1)) //nolint:gosec // a simulation
	takes := func() time.Duration { return time.Duration((2 + 6*random.Float64()) * float64(time.Second)) }

	var wishes []wish

	for range o.jobs {
		wishes = append(wishes, wish{0, 0, takes()})
	}

	for range fairTasks {
		for user := range fairUsers {
			wishes = append(wishes, wish{1 + user, time.Second, takes()})
		}
	}

	system, err := newFair(ctx, s, wishes)
	if err != nil {
		return nil, err
	}
	defer system.pool.Close()

	mine, err := simulate(ctx, wishes, system.next)
	if err != nil {
		return nil, err
	}

	fifo, err := simulate(ctx, wishes, func(_ context.Context, waiting []int, _ time.Duration, free int) ([]int, error) {
		return waiting[:min(free, len(waiting))], nil
	})
	if err != nil {
		return nil, err
	}

	ideal, err := simulate(ctx, wishes, roundRobin(wishes))
	if err != nil {
		return nil, err
	}

	mine["admit_ms"] = system.spent.Seconds() * 1000 / float64(system.rounds)

	return map[string]figures{ours: mine, "fifo": fifo, "ideal": ideal}, nil
}

// chooser says which of the waiting wishes, in the order in which they came, get the free slots.
type chooser func(ctx context.Context, waiting []int, now time.Duration, free int) ([]int, error)

// roundRobin gives the users turns one after the other, in a circle.
func roundRobin(wishes []wish) chooser {
	last := -1

	return func(_ context.Context, waiting []int, _ time.Duration, free int) (chosen []int, err error) {
		queues := map[int][]int{}
		for _, w := range waiting {
			queues[wishes[w].user] = append(queues[wishes[w].user], w)
		}

		for ; free > 0 && len(queues) > 0; free-- {
			for last = (last + 1) % (fairUsers + 1); len(queues[last]) == 0; last = (last + 1) % (fairUsers + 1) {
			}

			chosen = append(chosen, queues[last][0])
			if queues[last] = queues[last][1:]; len(queues[last]) == 0 {
				delete(queues, last)
			}
		}

		return chosen, nil
	}
}

// ending is a wish at the provider.
type ending struct {
	at time.Duration
	w  int
}

type endings []ending

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].at < e[j].at }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push implements [heap.Interface].
func (e *endings) Push(x any) { *e = append(*e, x.(ending)) } //nolint:forcetypeassert // nothing else is pushed

// Pop implements [heap.Interface].
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]

	return last
}

// simulate lets time jump from event to event and measures from wish to turn.
func simulate(ctx context.Context, wishes []wish, choose chooser) (figures, error) {
	var (
		now     time.Duration
		busy    = &endings{}
		waiting []int
		came    int
		waits   []float64
		much    float64
	)

	for came < len(wishes) || len(waiting) > 0 || busy.Len() > 0 {
		for ; came < len(wishes) && wishes[came].at <= now; came++ {
			waiting = append(waiting, came)
		}

		if free := fairSlots - busy.Len(); free > 0 && len(waiting) > 0 {
			chosen, err := choose(ctx, waiting, now, free)
			if err != nil {
				return nil, err
			}

			if want := min(free, len(waiting)); len(chosen) != want {
				return nil, fmt.Errorf("%d of %d slots were given out", len(chosen), want)
			}

			for _, w := range chosen {
				heap.Push(busy, ending{now + wishes[w].service, w})

				if wait := (now - wishes[w].at).Seconds(); wishes[w].user > 0 {
					waits = append(waits, wait)
				} else {
					much += wait
				}
			}

			waiting = slices.DeleteFunc(waiting, func(w int) bool { return slices.Contains(chosen, w) })
		}

		switch {
		case came < len(wishes) && (busy.Len() == 0 || wishes[came].at < (*busy)[0].at):
			now = wishes[came].at
		case busy.Len() > 0:
			now = heap.Pop(busy).(ending).at //nolint:forcetypeassert // nothing else is in it
		}
	}

	slices.Sort(waits)

	sum := 0.0
	for _, w := range waits {
		sum += w
	}

	n := float64(len(waits))

	return figures{
		"wait_mean_s": sum / n, "wait_p95_s": percentile(waits, 0.95), "wait_max_s": waits[len(waits)-1],
		"other_wait_mean_s": much / float64(len(wishes)-len(waits)), "all_done_s": now.Seconds(),
	}, nil
}

// fairSystem is the product's own service on Postgres. Its clock and the provider are simulated, and
// its jobs are not worked: a generation ends when its time is over.
type fairSystem struct {
	*generation.Service

	pool   *pgxpool.Pool
	wishes []wish
	users  []uuid.UUID
	since  time.Time
	now    atomic.Int64 // a [time.Duration] since then

	ids   map[uuid.UUID]int // wishes that were submitted
	ended map[int]bool
	begun map[int]time.Duration

	spent  time.Duration // in admission
	rounds int
}

func newFair(ctx context.Context, s *servers, wishes []wish) (*fairSystem, error) {
	url, _, err := s.database(ctx)
	if err != nil {
		return nil, err
	}

	f := &fairSystem{
		wishes: wishes, since: time.Now().UTC().Truncate(time.Second),
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
	plans := &catalogue.Plans{Plans: []catalogue.Plan{{ID: catalogue.DefaultPlan, Slots: fairSlots, QueueDepth: len(wishes), Weight: 1, MaxImages: 1}}}
	ledger := credits.New(credits.Options{Now: clock})

	f.Service = generation.New(generation.Deps{
		Pool: f.pool, Queue: durable.New(f.pool, queue.All(), durable.Options{}), Catalogue: models, Plans: plans, Credits: ledger,
		Hints: silent{}, Log: slog.New(slog.DiscardHandler), Now: clock,
		Options: generation.Options{Slots: fairSlots, Deadline: 24 * time.Hour, MaxDeadline: 24 * time.Hour},
	})

	for range fairUsers + 1 {
		user := uuid.New()
		f.users = append(f.users, user)

		if err := fund(ctx, f.pool, ledger, user); err != nil {
			return nil, err
		}
	}

	return f, nil
}

// fund gives a user more credits than a bench can spend.
func fund(ctx context.Context, pool *pgxpool.Pool, ledger *credits.Ledger, user uuid.UUID) error {
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

type silent struct{}

// Hint implements [generation.Hinter].
func (silent) Hint(string, uuid.UUID, int64) {}

// next ends what is over, submits what is new, admits, and says who got a turn.
func (f *fairSystem) next(ctx context.Context, waiting []int, now time.Duration, _ int) ([]int, error) {
	f.now.Store(int64(now))

	if err := f.end(ctx, now); err != nil {
		return nil, err
	}

	if err := f.submit(ctx, waiting); err != nil {
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

// end ends what the provider has been at for as long as it takes.
func (f *fairSystem) end(ctx context.Context, now time.Duration) error {
	var over []uuid.UUID

	for id, w := range f.ids {
		if began, ok := f.begun[w]; ok && !f.ended[w] && began+f.wishes[w].service <= now {
			over, f.ended[w] = append(over, id), true
		}
	}

	_, err := f.pool.Exec(ctx, `update ai_task set status = 'succeeded', finished_at = $2 where id = any($1)`, over, f.since.Add(now))

	return err
}

// submit has everybody ask for what they want now: each user one after the other, all at once.
func (f *fairSystem) submit(ctx context.Context, waiting []int) error {
	fresh := map[int][]int{} // by user

	for _, w := range waiting {
		if w >= len(f.ids) {
			fresh[f.wishes[w].user] = append(fresh[f.wishes[w].user], w)
		}
	}

	type made struct {
		id uuid.UUID
		w  int
	}

	var (
		all   = make(chan made, len(f.wishes))
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
