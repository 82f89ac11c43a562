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

	active map[string]bool      // tasks seen active in the last pass, by name
	asked  map[string]time.Time // rows asked about lately, by their task's name
}

func newReconciler(q *Queue) *reconciler {
	return &reconciler{q: q, active: map[string]bool{}, asked: map[string]time.Time{}}
}

func (r *reconciler) pass(ctx context.Context) {
	look, cancel := context.WithTimeout(ctx, passTimeout)
	defer cancel()

	active := ask(look, r.q.kinds.Queues(), r.q.pusher.Active)
	if err := active.err(); err != nil {
		r.q.complain(ctx, "active tasks were not compared", err)
	}

	if err := r.abandoned(look, active.all()); err != nil {
		r.q.complain(ctx, "active tasks were not compared", err)
	}

	silent := active.silent()

	if err := r.overdue(look, silent); err != nil {
		r.q.complain(ctx, "overdue jobs were not compared", err)
	}

	tidied := ask(look, except(r.q.kinds.Queues(), silent), func(ctx context.Context, queues []string) ([]struct{}, error) {
		return nil, r.q.pusher.Tidy(ctx, queues)
	})
	if err := tidied.err(); err != nil {
		r.q.complain(ctx, "dead tasks were not tidied", err)
	}
}

// except returns those that are not among others.
func except(queues, others []string) []string {
	return slices.DeleteFunc(slices.Clone(queues), func(q string) bool { return slices.Contains(others, q) })
}

// abandoned finds tasks that were active in two passes though their row is not running: the
// engine's answer to the worker was lost, or the worker's answer to the engine.
func (r *reconciler) abandoned(ctx context.Context, tasks []Task) error {
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

	ids, _ := split(twice)

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
			// As it should be; if nobody runs it after all, its lease ends.
		case ok && row.Epoch == t.Epoch && row.State != stateDead:
			gone = append(gone, t)
		default:
			stray = append(stray, t)
		}
	}

	r.q.forget(ctx, stray)

	return r.renew(ctx, gone)
}

// overdue asks the engine about rows that should have been claimed by now. Most only wait for a
// free worker; the oldest are asked first, and those come first anyway. Queues that are silent are
// left for later.
func (r *reconciler) overdue(ctx context.Context, silent []string) error {
	rows, err := r.q.db.JobOverdue(ctx, r.q.pool, db.JobOverdueParams{Overdue: r.q.timing.Overdue.Seconds(), Silent: silent})
	if err != nil {
		return err
	}

	now := time.Now()
	asked := make(map[string]time.Time, len(rows))

	var asks []Task

	for _, row := range rows {
		t := Task{ID: row.ID, Epoch: row.Epoch, Queue: row.Queue, Kind: row.Kind}
		at := r.asked[t.Name()]

		if now.Sub(at) >= r.q.timing.AskAgain {
			asks = append(asks, t)
			at = now
		}

		asked[t.Name()] = at
	}

	r.asked = asked

	if len(asks) == 0 {
		return nil
	}

	gone, err := r.gone(ctx, asks)
	if err != nil {
		clear(r.asked)
	}

	return errors.Join(err, r.renew(ctx, gone))
}

// gone returns those tasks that the engine says it has no more.
func (r *reconciler) gone(ctx context.Context, tasks []Task) (gone []Task, err error) {
	byQueue := map[string][]Task{}
	for _, t := range tasks {
		byQueue[t.Queue] = append(byQueue[t.Queue], t)
	}

	found := ask(ctx, slices.Collect(maps.Keys(byQueue)), func(ctx context.Context, queues []string) (gone []Task, err error) {
		alive, err := r.q.pusher.Alive(ctx, byQueue[queues[0]])

		for i, t := range byQueue[queues[0]] {
			if err == nil && !alive[i] {
				gone = append(gone, t)
			}
		}

		return gone, err
	})

	return found.all(), found.err()
}

// renew pushes jobs again under a new epoch. No lease was lost, so none is counted.
func (r *reconciler) renew(ctx context.Context, gone []Task) error {
	if len(gone) == 0 {
		return nil
	}

	ids, epochs := split(gone)

	rows, err := r.q.db.JobRenew(ctx, r.q.pool, db.JobRenewParams{Ids: ids, Epochs: epochs})
	if err != nil {
		return err
	}

	ps := make([]pushing, len(rows))

	for i, row := range rows {
		r.q.metrics.count(row.Kind, row.Queue, eventReconciled)
		r.q.log.WarnContext(ctx, "job was pushed again", slog.String("job_id", row.ID.String()), slog.String("kind", row.Kind))

		ps[i] = pushing{
			Push:     r.q.pushOf(Task{ID: row.ID, Epoch: row.Epoch, Queue: row.Queue, Kind: row.Kind}, row.RunAt),
			replaces: true,
		}
	}

	r.q.pushAll(ctx, ps)

	return nil
}
