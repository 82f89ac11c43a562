package durable

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"imagerun/queue/durable/db"
)

// reconciler compares rows with the engine: tasks that a worker took and that no worker has, and
// rows whose task is gone.
type reconciler struct {
	q *Queue

	active  map[string]bool   // tasks seen active in the last pass, by name
	cursors map[string]cursor // by queue
}

// cursor is how far the overdue rows of a queue have been looked at.
type cursor struct {
	runAt time.Time // of the last one
	id    uuid.UUID
	ended bool      // there was none behind it
	began time.Time // when the first was looked at
}

// overdueBatch is how many rows of a queue are asked about in one pass.
const overdueBatch = 1000

func newReconciler(q *Queue) *reconciler {
	return &reconciler{q: q, active: map[string]bool{}, cursors: map[string]cursor{}}
}

func (r *reconciler) runOnce(ctx context.Context) {
	pass, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()

	active := fanOut(pass, r.q.kinds.Queues(), r.q.pusher.Active)
	if err := active.joinErrors(); err != nil {
		r.q.warnThrottled(ctx, "active tasks were not reconciled", err)
	}

	if err := r.reconcileAbandoned(pass, active.collectFound()); err != nil {
		r.q.warnThrottled(ctx, "active tasks were not reconciled", err)
	}

	unreachable := active.unreachableQueues()

	if err := r.reconcileOverdue(pass, unreachable); err != nil {
		r.q.warnThrottled(ctx, "overdue jobs were not reconciled", err)
	}

	trimmed := fanOut(pass, excludeQueues(r.q.kinds.Queues(), unreachable), func(ctx context.Context, queues []string) ([]struct{}, error) {
		return nil, r.q.pusher.TrimArchive(ctx, queues)
	})
	if err := trimmed.joinErrors(); err != nil {
		r.q.warnThrottled(ctx, "archive of dead tasks was not trimmed", err)
	}
}

// excludeQueues returns those that are not among others.
func excludeQueues(queues, others []string) []string {
	return slices.DeleteFunc(slices.Clone(queues), func(q string) bool { return slices.Contains(others, q) })
}

// reconcileAbandoned finds tasks that were active in two passes though their row is not running: the
// engine's answer to the worker was lost, or the worker's answer to the engine.
func (r *reconciler) reconcileAbandoned(ctx context.Context, tasks []Task) error {
	now := make(map[string]bool, len(tasks))

	var twice []Task

	for _, t := range tasks {
		now[t.Name()] = true

		if r.active[t.Name()] {
			twice = append(twice, t)
		}
	}

	r.active = now

	if len(twice) == 0 {
		return nil
	}

	ids, _ := splitTasks(twice)

	rows, err := r.q.db.JobStates(ctx, r.q.pool, ids)
	if err != nil {
		return err
	}

	byID := make(map[uuid.UUID]db.JobStatesRow, len(rows))
	for _, row := range rows {
		byID[row.ID] = row
	}

	var gone, stray []Task

	for _, t := range twice {
		row, ok := byID[t.ID]

		switch {
		case ok && row.Epoch == t.Epoch && row.State == stateRunning:
			// As it should be; if no worker runs it after all, its lease ends.
		case ok && row.Epoch == t.Epoch && row.State != stateDead:
			gone = append(gone, t)
		default:
			stray = append(stray, t)
		}
	}

	r.q.forgetTasks(ctx, stray)

	return r.repushJobs(ctx, gone)
}

// reconcileOverdue asks the engine about rows that should have been claimed by now. Most only wait for a
// free worker. Of each queue it looks at the oldest first, and goes on behind them with the next pass: those of a
// queue that is paused hide nothing. Queues that are unreachable are left for later.
func (r *reconciler) reconcileOverdue(ctx context.Context, unreachable []string) error {
	now := time.Now()
	p := db.JobOverdueParams{Overdue: r.q.timing.Overdue.Seconds(), MaxRows: overdueBatch}

	for _, q := range excludeQueues(r.q.kinds.Queues(), unreachable) {
		if c := r.cursors[q]; c.ended && now.Sub(c.began) >= r.q.timing.AskAgain {
			r.cursors[q] = cursor{began: now}
		}

		c := r.cursors[q]
		p.Queues, p.RunAts, p.Ids = append(p.Queues, q), append(p.RunAts, c.runAt), append(p.Ids, c.id)
	}

	rows, err := r.q.db.JobOverdue(ctx, r.q.pool, p)
	if err != nil {
		return err
	}

	byQueue := map[string][]Task{}
	for _, row := range rows {
		byQueue[row.Queue] = append(byQueue[row.Queue], Task{ID: row.ID, Epoch: row.Epoch, Queue: row.Queue, Kind: row.Kind})
	}

	found := r.findGone(ctx, byQueue)

	for _, q := range excludeQueues(p.Queues, found.unreachableQueues()) {
		c := r.cursors[q]
		c.ended = len(byQueue[q]) < overdueBatch
		r.cursors[q] = c
	}

	for _, row := range rows { // in order, queue by queue
		if c := r.cursors[row.Queue]; !slices.Contains(found.unreachableQueues(), row.Queue) {
			c.runAt, c.id = row.RunAt, row.ID
			r.cursors[row.Queue] = c
		}
	}

	return errors.Join(found.joinErrors(), r.repushJobs(ctx, found.collectFound()))
}

// findGone returns those tasks, by queue, that the engine says it has no more.
func (r *reconciler) findGone(ctx context.Context, tasks map[string][]Task) results[Task] {
	return fanOut(ctx, slices.Collect(maps.Keys(tasks)), func(ctx context.Context, queues []string) (gone []Task, err error) {
		of := tasks[queues[0]]

		alive, err := r.q.pusher.Alive(ctx, of)
		if err != nil {
			return nil, err
		}

		for i, t := range of {
			if !alive[i] {
				gone = append(gone, t)
			}
		}

		return gone, nil
	})
}

// repushJobs pushes jobs again under a new epoch. No lease was lost, so none is counted.
func (r *reconciler) repushJobs(ctx context.Context, gone []Task) error {
	if len(gone) == 0 {
		return nil
	}

	ids, epochs := splitTasks(gone)

	rows, err := r.q.db.JobRenew(ctx, r.q.pool, db.JobRenewParams{Ids: ids, Epochs: epochs})
	if err != nil {
		return err
	}

	ps := make([]pendingPush, len(rows))

	for i, row := range rows {
		r.q.metrics.countEvent(row.Kind, row.Queue, eventReconciled)
		r.q.log.WarnContext(ctx, "job was pushed again", slog.String("job_id", row.ID.String()), slog.String("kind", row.Kind))

		ps[i] = pendingPush{
			Push:     r.q.newPush(Task{ID: row.ID, Epoch: row.Epoch, Queue: row.Queue, Kind: row.Kind}, fromSeconds(row.DueIn)),
			replaces: true,
		}
	}

	r.q.pushAll(ctx, ps)

	return nil
}
