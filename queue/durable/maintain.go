package durable

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"imagerun/queue/durable/db"
	"imagerun/queue/internal/loop"
)

const (
	relayBatch  = 500
	passTimeout = 10 * time.Second // of one pass over the table
)

var errNoPusher = errors.New("maintain: queue has no pusher")

// Maintain runs the relay, the sweeper, the reconciler and the rebuilder until ctx ends. Every
// scheduler runs it: they need no leader, since whatever two of them do at once is done once.
func (q *Queue) Maintain(ctx context.Context) error {
	if q.pusher == nil {
		return errNoPusher
	}

	sweeper := newSweeper(q)
	reconciler := newReconciler(q)
	rebuilder := newRebuilder(q)

	var wg sync.WaitGroup

	wg.Go(func() { loop.Every(ctx, q.timing.Relay, q.relayStaged) })
	wg.Go(func() { loop.Every(ctx, q.timing.Sweep, sweeper.runOnce) })
	wg.Go(func() { loop.Every(ctx, q.timing.Reconcile, reconciler.runOnce) })
	wg.Go(func() { loop.Every(ctx, q.timing.Watch, rebuilder.runOnce) })
	wg.Wait()

	return nil
}

// relayStaged pushes what no process has pushed: the process died after its commit, plain SQL staged it, the
// engine was away, or its time has come near.
func (q *Queue) relayStaged(ctx context.Context) {
	for ctx.Err() == nil {
		refused := q.breaker.Open()

		pass, cancel := context.WithTimeout(ctx, passTimeout)
		rows, err := q.db.JobRelay(pass, q.pool, db.JobRelayParams{
			Ahead: q.timing.Ahead.Seconds(), Older: q.timing.RelayAfter.Seconds(), Refused: refused, MaxRows: relayBatch,
		})

		cancel()

		if err != nil {
			q.warnThrottled(ctx, "staged jobs were not relayed", err)

			return
		}

		ps := make([]pendingPush, len(rows))
		for i, r := range rows {
			ps[i] = pendingPush{
				Push:     q.newPush(Task{ID: r.ID, Epoch: r.Epoch, Queue: r.Queue, Kind: r.Kind}, fromSeconds(r.DueIn)),
				replaces: r.Epoch > 1,
			}
		}

		sent := q.pushAll(ctx, ps)

		switch {
		case sent == len(ps) && len(ps) < relayBatch:
			return
		case sent == 0 && len(q.breaker.Open()) <= len(refused):
			return // the engine is unwell, and asking faster does not heal it
		default: // the jobs of other queues come behind those of one that was just found refused
		}
	}
}

// warnThrottled logs what a loop could not do, unless it is only being stopped.
func (q *Queue) warnThrottled(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		q.throttle.Warn(ctx, q.log, what, slog.Any("error", err))
	}
}
