package durable

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"imagerun/queue/durable/db"
)

const (
	gatherMost    = 500
	gatherTimeout = 5 * time.Second
)

// gatherer does for many callers with one statement what each could do with one of its own. What
// is asked for while a statement is under way goes into the next, so the first goes at once.
type gatherer[R any] struct {
	// one may wait for a row that is locked; many leaves that out.
	one  func(ctx context.Context, u *run) (R, error)
	many func(ctx context.Context, runs []*run) (map[uuid.UUID]R, error) // by holder; may leave some out

	mu    sync.Mutex
	busy  bool
	calls []*gathered[R]
}

type gathered[R any] struct {
	run  *run
	done chan struct{}

	there bool // else the caller asks by itself
	row   R
	err   error
}

// do returns what one would. A caller whose ctx ends does not hear what became of it.
func (g *gatherer[R]) do(ctx context.Context, u *run) (row R, err error) {
	c := &gathered[R]{run: u, done: make(chan struct{})}

	g.mu.Lock()
	g.calls = append(g.calls, c)

	if !g.busy {
		g.busy = true

		go g.work()
	}

	g.mu.Unlock()

	select {
	case <-c.done:
	case <-ctx.Done():
		return row, ctx.Err()
	}

	if c.err != nil || c.there {
		return c.row, c.err
	}

	return g.one(ctx, u)
}

// work does what was asked for until nothing is left.
func (g *gatherer[R]) work() {
	for {
		g.mu.Lock()
		n := min(len(g.calls), gatherMost)
		batch := g.calls[:n:n]
		g.calls = g.calls[n:]
		g.busy = n > 0
		g.mu.Unlock()

		if n == 0 {
			return
		}

		g.batch(batch)
	}
}

func (g *gatherer[R]) batch(batch []*gathered[R]) {
	ctx, cancel := context.WithTimeout(context.Background(), gatherTimeout)
	defer cancel()

	runs := make([]*run, len(batch))
	for i, c := range batch {
		runs[i] = c.run
	}

	rows, err := g.many(ctx, runs)

	for _, c := range batch {
		c.row, c.there = rows[c.run.holder]
		c.err = err
		close(c.done)
	}
}

func names(runs []*run) (ids []uuid.UUID, epochs []int32, holders []uuid.UUID) {
	for _, u := range runs {
		ids, epochs, holders = append(ids, u.task.ID), append(epochs, u.task.Epoch), append(holders, u.holder)
	}

	return ids, epochs, holders
}

func (r *Runner) claimOne(ctx context.Context, u *run) (db.JobClaimRow, error) {
	return r.q.db.JobClaim(ctx, r.q.pool, db.JobClaimParams{
		ID: u.task.ID, Epoch: u.task.Epoch, Holder: &u.holder, Lease: r.q.timing.Lease.Seconds(),
	})
}

func (r *Runner) claimMany(ctx context.Context, runs []*run) (map[uuid.UUID]db.JobClaimRow, error) {
	p := db.JobClaimManyParams{Lease: r.q.timing.Lease.Seconds()}
	p.Ids, p.Epochs, p.Holders = names(runs)

	rows, err := r.q.db.JobClaimMany(ctx, r.q.pool, p)
	if err != nil {
		return nil, err
	}

	claimed := make(map[uuid.UUID]db.JobClaimRow, len(rows))
	for _, row := range rows {
		claimed[row.Holder] = db.JobClaimRow{Kind: row.Kind, Queue: row.Queue, Args: row.Args, Attempt: row.Attempt, Canceling: row.Canceling, Late: row.Late}
	}

	return claimed, nil
}

// finishOne returns how many rows it found: one, or none if the job is not this run's.
func (r *Runner) finishOne(ctx context.Context, u *run) (int64, error) {
	return r.q.db.JobComplete(ctx, r.q.pool, db.JobCompleteParams{ID: u.task.ID, Holder: &u.holder})
}

func (r *Runner) finishMany(ctx context.Context, runs []*run) (map[uuid.UUID]int64, error) {
	var p db.JobFinishParams

	p.Ids, _, p.Holders = names(runs)

	rows, err := r.q.db.JobFinish(ctx, r.q.pool, p)
	if err != nil {
		return nil, err
	}

	finished := make(map[uuid.UUID]int64, len(rows))
	for _, holder := range rows {
		finished[*holder] = 1
	}

	return finished, nil
}
