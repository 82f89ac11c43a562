package durable

import (
	"context"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/queue"
	"imagerun/queue/durable/db"
	"imagerun/queue/internal/loop"
)

// Run extends the leases of all jobs in hand, one statement for all of them, until ctx ends. It
// must outlive the last handler. It keeps a connection of its own, so that handlers that use up
// the pool cannot cost the process its leases.
func (r *Runner) Run(ctx context.Context) error {
	var conn *pgxpool.Conn

	release := func() {
		if conn != nil {
			conn.Release()
			conn = nil
		}
	}
	defer release()

	loop.Every(ctx, r.q.timing.Heartbeat, func(ctx context.Context) {
		// Longer than until the next: a Postgres that is slow must not cost leases. Shorter than a lease: a
		// connection that is dead must not either.
		ctx, cancel := context.WithTimeout(ctx, r.q.timing.Lease/2)
		defer cancel()

		if conn == nil {
			c, err := r.q.pool.Acquire(ctx)
			if err != nil {
				r.log.WarnContext(ctx, "leases were not extended", slog.Any("error", err))

				return
			}

			conn = c
		}

		if err := r.extendLeases(ctx, conn); err != nil {
			r.log.WarnContext(ctx, "leases were not extended", slog.Any("error", err))
			release()
		}
	})

	return nil
}

// extendLeases extends what this process holds. A run that waits for the answer to its claim may hold its job already.
func (r *Runner) extendLeases(ctx context.Context, conn *pgxpool.Conn) error {
	var p db.JobExtendLeasesParams

	r.mu.Lock()

	claimed := make(map[uuid.UUID]*run, len(r.runs))

	for u := range r.runs {
		p.Ids, p.Holders = append(p.Ids, u.task.ID), append(p.Holders, u.holder)

		if u.claimed.Load() {
			claimed[u.holder] = u
		}
	}

	r.mu.Unlock()

	if len(p.Ids) == 0 {
		return conn.Ping(ctx)
	}

	p.Lease = r.q.timing.Lease.Seconds()

	held, err := r.q.db.JobExtendLeases(ctx, conn, p)
	if err != nil {
		return err
	}

	for _, h := range held {
		if u := claimed[h.Holder]; u != nil && h.Canceling {
			u.cancel(queue.ErrCanceled)
		}

		delete(claimed, h.Holder)
	}

	for _, u := range claimed {
		// A handler that completed its job may still be on its way back.
		if !u.completed.Load() {
			u.cancel(queue.ErrStale)
		}
	}

	return nil
}

// Interrupt ends the context of every handler with [queue.ErrStopping] and takes no further
// task. Jobs whose handlers return an error then, or ignore it, are handed to other workers.
func (r *Runner) Interrupt() {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.stopping = true

	for u := range r.runs {
		u.cancel(queue.ErrStopping)

		if u.slots.withdrawWaiting(u) {
			go r.unclaimJob(u)
		}
	}
}

// Idle waits until no task is in hand, or ctx ends.
func (r *Runner) Idle(ctx context.Context) error {
	r.mu.Lock()
	busy := r.busy
	r.mu.Unlock()

	if busy == nil {
		return nil
	}

	select {
	case <-busy:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// InFlight returns how many tasks are being worked.
func (r *Runner) InFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()

	return len(r.runs)
}

func (r *Runner) addRun(u *run) bool {
	r.mu.Lock()
	defer r.mu.Unlock()

	if r.stopping {
		return false
	}

	if r.busy == nil {
		r.busy = make(chan struct{})
	}

	r.runs[u], u.busy = struct{}{}, r.busy

	return true
}

func (r *Runner) removeRun(u *run) {
	r.mu.Lock()
	defer r.mu.Unlock()

	delete(r.runs, u)

	r.clearSuspect(u)

	if len(r.runs) == 0 && r.busy != nil {
		close(r.busy)
		r.busy = nil
	}
}

// clearSuspect has a suspect be one no longer: another may be in hand. Callers hold mu.
func (r *Runner) clearSuspect(u *run) {
	if u.suspect {
		u.suspect = false
		<-r.suspects
	}
}

// Complete implements [queue.Fence]. Where the transaction can keep it, it is sent together with the commit,
// which then fails if the job is not this run's.
func (u *run) Complete(ctx context.Context, tx pgx.Tx) error {
	// Set before the statement: the heartbeat and the outcome must look at the row to know.
	u.completed.Store(true)

	if k, ok := tx.(keeper); ok {
		k.AfterCommit(func() { u.committed.Store(true) })
	}

	return explainStale(u.r.q.db.JobComplete(ctx, keepStatements(tx, explainStale), db.JobCompleteParams{ID: u.task.ID, Holder: u.holder}))
}

// Hold implements [queue.Fence].
func (u *run) Hold(ctx context.Context, tx pgx.Tx) error {
	n, err := u.r.q.db.JobHold(ctx, tx, db.JobHoldParams{ID: u.task.ID, Holder: &u.holder})

	return requireHeld(n, err)
}

func requireHeld(rows int64, err error) error {
	switch {
	case err != nil:
		return err
	case rows == 0:
		return queue.ErrStale
	default:
		return nil
	}
}
