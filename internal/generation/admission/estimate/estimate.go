// Package estimate says when a generation will begin and end, from how long the latest ones took.
// Where too few were measured it says nothing: an estimate is true or absent.
package estimate

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/cache"
	"imagerun/internal/clock"
)

const (
	enough   = 5                // measured generations of a kind, or nothing is said of it
	most     = 100              // the latest of each model
	recently = 24 * time.Hour   // what is older tells nothing of now
	fresh    = 10 * time.Second // how long one measurement serves
	stale    = time.Minute      // how long it serves while another one is under way
	step     = 10 * time.Second // a start is rounded up to it, so that it does not change with every look
)

// Estimator measures. Safe for concurrent use.
type Estimator struct {
	pool   *pgxpool.Pool
	models []string
	now    clock.Now

	typical cache.Value[Typical]
}

// Kind is what generations have in common that take about as long.
type Kind struct {
	Model   string
	Quality string // empty: any
	Images  int    // zero: any number of them
}

// Typical is how long kinds of generations take from their turn to their end.
type Typical map[Kind]time.Duration

// Of returns how long a kind takes: as measured of it, or else of its quality, or else of its model.
// False: not enough is known of any.
func (t Typical) Of(k Kind) (time.Duration, bool) {
	for _, known := range []Kind{k, {k.Model, k.Quality, 0}, {k.Model, "", 0}} {
		if d, ok := t[known]; ok {
			return d, true
		}
	}

	return 0, false
}

// New returns an estimator for the models of these ids. It asks for nothing yet.
func New(pool *pgxpool.Pool, models []string, now clock.Now) *Estimator {
	e := &Estimator{pool: pool, models: models, now: now}
	e.typical = cache.Value[Typical]{Load: e.measureKinds, Now: now, Fresh: fresh, Stale: stale}

	return e
}

// Typical returns the median time from turn to finish of each kind that enough is known of, as of
// some seconds ago. It must not be called with a connection of the pool in hand.
func (e *Estimator) Typical(ctx context.Context) (Typical, error) { return e.typical.Get(ctx) }

func (e *Estimator) measureKinds(ctx context.Context) (Typical, error) {
	rows, err := e.pool.Query(ctx, `
		select m.id, coalesce(t.quality, ''), coalesce(t.images, 0),
			percentile_cont(0.5) within group (order by extract(epoch from t.finished_at - t.admitted_at))
		from unnest($1::text[]) m (id) cross join lateral (
			select finished_at, admitted_at,
				coalesce(parameters ->> 'quality', '?') as quality, coalesce((parameters ->> 'num_images')::integer, 1) as images
			from ai_task
			where model = m.id and admitted_at is not null and failure_code is null and status in ('succeeded', 'partial') and finished_at > $2
			order by finished_at desc limit $3
		) t
		group by grouping sets ((m.id), (m.id, t.quality), (m.id, t.quality, t.images))
		having count(*) >= $4`, e.models, e.now().Add(-recently), most, enough)
	if err != nil {
		return nil, fmt.Errorf("measure models: %w", err)
	}

	var (
		typical = make(Typical)
		kind    Kind
		seconds float64
	)

	_, err = pgx.ForEachRow(rows, []any{&kind.Model, &kind.Quality, &kind.Images, &seconds}, func() error {
		typical[kind] = time.Duration(seconds * float64(time.Second))

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("measure models: %w", err)
	}

	return typical, nil
}

// Line is where a generation waits: for a slot of its provider and for one of its user's.
type Line struct {
	Ahead, Busy, Slots          int // before it in all, slots taken, slots there are
	OwnAhead, OwnBusy, OwnSlots int // the same of its own user
}

// Start is when a generation in the line gets its turn, where each takes typical: slots become
// free at the rate at which generations end, and it needs one of both kinds.
func (l Line) Start(now time.Time, typical time.Duration) time.Time {
	wait := max(countTurns(l.Ahead, l.Busy, l.Slots, typical), countTurns(l.OwnAhead, l.OwnBusy, l.OwnSlots, typical))

	return now.Add(wait).Truncate(step).Add(step)
}

func countTurns(ahead, busy, slots int, typical time.Duration) time.Duration {
	must := max(0, ahead+1-max(0, slots-busy)) // this many have to end first

	return time.Duration(must) * typical / time.Duration(max(1, slots))
}
