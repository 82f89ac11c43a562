package durable

import (
	"context"
	"log/slog"
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

	if err := r.abandoned(look); err != nil {
		r.q.complain(ctx, "active tasks were not compared", err)
	}

	if err := r.overdue(look); err != nil {
		r.q.complain(ctx, "overdue jobs were not compared", err)
	}

	if err := r.q.pusher.Tidy(look, r.q.kinds.Queues()); err != nil {
		r.q.complain(ctx, "dead tasks were not tidied", err)
	}
}

// abandoned finds tasks that were active in two passes though their row is not running: the
// engine's answer to the worker was lost, or the worker's answer to the engine.
func (r *reconciler) abandoned(ctx context.Context) error {
	tasks, err := r.q.pusher.Active(ctx, r.q.kinds.Queues())
	if err != nil {
		return err
	}

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

	var gone []Task

	for _, t := range twice {
		row, ok := byID[t.ID]

		switch {
		case ok && row.Epoch == t.Epoch && row.State == stateRunning:
			// As it should be; if nobody runs it after all, its lease ends.
		case ok && row.Epoch == t.Epoch && row.State != stateDead:
			gone = append(gone, t)
		default:
			r.q.forget(ctx, t)
		}
	}

	return r.renew(ctx, gone)
}

// overdue asks the engine about rows that should have been claimed by now. Most only wait for a
// free worker; the oldest are asked first, and those come first anyway.
func (r *reconciler) overdue(ctx context.Context) error {
	rows, err := r.q.db.JobOverdue(ctx, r.q.pool, r.q.timing.Overdue.Seconds())
	if err != nil {
		return err
	}

	now := time.Now()
	asked := make(map[string]time.Time, len(rows))

	var ask []Task

	for _, row := range rows {
		t := Task{ID: row.ID, Epoch: row.Epoch, Queue: row.Queue, Kind: row.Kind}
		at := r.asked[t.Name()]

		if now.Sub(at) >= r.q.timing.AskAgain {
			ask = append(ask, t)
			at = now
		}

		asked[t.Name()] = at
	}

	r.asked = asked

	if len(ask) == 0 {
		return nil
	}

	alive, err := r.q.pusher.Alive(ctx, ask)
	if err != nil {
		clear(r.asked)

		return err
	}

	var gone []Task

	for i, t := range ask {
		if !alive[i] {
			gone = append(gone, t)
		}
	}

	return r.renew(ctx, gone)
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

// forget removes a task that nobody needs. It is tidiness only.
func (q *Queue) forget(ctx context.Context, t Task) {
	if err := q.pusher.Forget(ctx, t); err != nil {
		q.log.DebugContext(ctx, "task was not removed", slog.String("job_id", t.ID.String()), slog.Any("error", err))
	}
}
