package durable

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"imagerun/queue"
	"imagerun/queue/durable/db"
)

// outcome is one run of a handler and what came of it.
type outcome struct {
	run     *run
	worker  queue.Worker
	policy  queue.Policy
	args    []byte
	attempt int // this one, from 1
	started time.Time

	err   error // what the handler returned
	cause error // why its context had ended by then, or nil
	deaf  bool  // it has not returned at all

	canceled bool // by an operator: dead, whatever the handler says; it may not have run
}

// panicked stands for a panic. The value is not in it: nobody knows what it holds.
type panicked struct{ stack []byte }

func (p *panicked) Error() string { return "handler panicked" }

// call runs the handler on its own goroutine and sends what it returned. A panic is an error, and
// so is runtime.Goexit, which returns nothing.
func (o *outcome) call(ctx context.Context, done chan<- error) {
	err := errExited

	defer func() {
		if v := recover(); v != nil {
			err = &panicked{stack: debug.Stack()}
		}

		done <- err
	}()

	err = o.worker.Work(ctx, queue.Claimed{
		ID:          o.run.task.ID,
		Args:        o.args,
		Attempt:     o.attempt,
		MaxAttempts: o.policy.Attempts,
		Snooze:      o.policy.Snooze,
		Fence:       o.run,
	})
}

// settle writes the outcome to Postgres and says what the engine shall do.
func (r *Runner) settle(ctx context.Context, o *outcome) Verdict {
	if !o.canceled {
		r.q.metrics.run.WithLabelValues(o.run.task.Kind, o.run.task.Queue).Observe(time.Since(o.started).Seconds())
	}

	v, event, err := r.decide(ctx, o)
	if err != nil {
		// The row stays as it is; when its lease has run out, the sweeper gives it to another.
		r.log.ErrorContext(ctx, "job outcome was not written", slog.String("job_id", o.run.task.ID.String()), slog.String("kind", o.run.task.Kind), slog.Any("error", err))

		return later("postgres_unreachable")
	}

	r.q.metrics.count(o.run.task.Kind, o.run.task.Queue, event)
	r.report(ctx, o, event)

	return v
}

func (r *Runner) decide(ctx context.Context, o *outcome) (v Verdict, event string, err error) {
	if o.canceled {
		return r.bury(ctx, o)
	}

	if o.run.completed.Load() {
		gone, ours, err := r.look(ctx, o.run)

		switch {
		case err != nil:
			return v, "", err
		case gone: // even if the handler was told otherwise
			return Verdict{Do: Ack}, eventDone, nil
		case !ours:
			return r.stale(ctx, o, nil)
		}

		if o.err == nil {
			o.err = errNotCommitted
		}
	}

	delay, snoozed := queue.SnoozeOf(o.err)

	switch {
	case errors.Is(o.cause, queue.ErrStale):
		return Verdict{Do: Ack}, eventStale, nil
	case o.err == nil:
		return r.finish(ctx, o)
	case snoozed:
		return r.snooze(ctx, o, delay)
	case queue.IsCancel(o.err), errors.Is(o.err, queue.ErrUndecodable):
		return r.bury(ctx, o)
	case errors.Is(o.cause, queue.ErrStopping):
		return r.handBack(ctx, o)
	case o.attempt >= o.policy.Attempts, slices.Contains(o.policy.Final, r.code(o)):
		return r.bury(ctx, o)
	default:
		return r.fail(ctx, o, 1)
	}
}

// look reports whether the row is gone, and whether it is still claimed by this run.
func (r *Runner) look(ctx context.Context, u *run) (gone, ours bool, err error) {
	row, there, err := attempt(ctx, r, func(ctx context.Context) (db.JobLookRow, error) {
		return r.q.db.JobLook(ctx, r.q.pool, u.task.ID)
	})

	return err == nil && !there, there && row.Holder != nil && *row.Holder == u.holder, err
}

func (r *Runner) finish(ctx context.Context, o *outcome) (v Verdict, event string, err error) {
	n, _, err := attempt(ctx, r, func(ctx context.Context) (int64, error) {
		return r.finishes.do(ctx, o.run)
	})
	if err != nil || n == 0 {
		return r.stale(ctx, o, err)
	}

	return Verdict{Do: Ack}, eventDone, nil
}

func (r *Runner) snooze(ctx context.Context, o *outcome, d time.Duration) (v Verdict, event string, err error) {
	// Redis keeps whole seconds, so Postgres does too.
	d = time.Duration(math.Ceil(d.Seconds())) * time.Second

	row, held, err := attempt(ctx, r, func(ctx context.Context) (db.JobSnoozeRow, error) {
		return r.q.db.JobSnooze(ctx, r.q.pool, db.JobSnoozeParams{
			ID: o.run.task.ID, Holder: &o.run.holder, Epoch: o.run.task.Epoch, Delay: d.Seconds(),
		})
	})

	switch {
	case err != nil || !held:
		return r.stale(ctx, o, err)
	case row.State == stateStaged:
		r.next(o, row.Epoch, row.RunAt, false)

		return Verdict{Do: Ack}, eventSnoozed, nil
	default:
		return Verdict{Do: Again, After: d, Code: "snoozed"}, eventSnoozed, nil
	}
}

// fail spends an attempt, or none when only our own part failed.
func (r *Runner) fail(ctx context.Context, o *outcome, spent int32) (v Verdict, event string, err error) {
	delay, code := o.policy.Backoff.Delay(o.attempt), r.code(o)

	row, held, err := attempt(ctx, r, func(ctx context.Context) (db.JobFailRow, error) {
		return r.q.db.JobFail(ctx, r.q.pool, db.JobFailParams{
			ID: o.run.task.ID, Holder: &o.run.holder, Epoch: o.run.task.Epoch,
			Afresh: o.deaf, Delay: delay.Seconds(), Spent: spent, ErrorCode: code, Canceled: o.canceled,
		})
	})
	if err != nil || !held {
		return r.stale(ctx, o, err)
	}

	if row.State == stateStaged {
		r.next(o, row.Epoch, row.RunAt, o.deaf)

		return Verdict{Do: Ack}, eventFailed, nil
	}

	return Verdict{Do: Again, After: delay, Code: code, Spent: spent > 0}, eventFailed, nil
}

// handBack gives the job to another worker, as if this one had never had it.
func (r *Runner) handBack(ctx context.Context, o *outcome) (v Verdict, event string, err error) {
	row, held, err := attempt(ctx, r, func(ctx context.Context) (db.JobHandBackRow, error) {
		return r.q.db.JobHandBack(ctx, r.q.pool, db.JobHandBackParams{ID: o.run.task.ID, Holder: &o.run.holder})
	})
	if err != nil || !held {
		return r.stale(ctx, o, err)
	}

	r.next(o, row.Epoch, row.RunAt, o.deaf)

	return Verdict{Do: Ack}, eventHandedBack, nil
}

// bury ends the job for ever, with the kind's Dead hook in the same transaction. The hook comes
// first: it locks rows of its domain, and everyone locks those before the job's.
func (r *Runner) bury(ctx context.Context, o *outcome) (v Verdict, event string, err error) {
	var hook error

	code, spent := r.code(o), int32(1)
	if o.canceled {
		spent = 0
	}

	n, _, err := attempt(ctx, r, func(ctx context.Context) (n int64, err error) {
		hook = nil

		err = r.q.inTx(ctx, func(tx pgx.Tx) error {
			if hook = o.dead(ctx, tx, code); hook != nil {
				return hook
			}

			n, err = r.q.db.JobBury(ctx, tx, db.JobBuryParams{
				ID: o.run.task.ID, Holder: &o.run.holder, Spent: spent, ErrorCode: code,
			})
			if err == nil && n == 0 {
				return queue.ErrStale // and nothing that the hook did
			}

			return err
		})

		if hook != nil || errors.Is(err, queue.ErrStale) {
			return 0, nil
		}

		return n, err
	})

	switch {
	case err == nil && hook != nil:
		// What the domain owes to this death cannot be done now: no death without it.
		r.log.ErrorContext(ctx, "dead hook failed", slog.String("job_id", o.run.task.ID.String()), slog.String("kind", o.run.task.Kind), slog.Any("error", hook))

		return r.fail(ctx, o, 0)
	case err != nil || n == 0:
		return r.stale(ctx, o, err)
	default:
		return Verdict{Do: Bury, Code: code}, eventDead, nil
	}
}

func (o *outcome) dead(ctx context.Context, tx pgx.Tx, code string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{stack: debug.Stack()}
		}
	}()

	return o.worker.Dead(ctx, tx, o.args, code)
}

// stale answers for a write that found nothing of ours: an operator canceled the job, which ends
// it here; somebody else has it; an earlier try of this write happened although its answer was
// lost; or Postgres crashed and lost the claim. In the last two this task is still the one that the row waits for.
func (r *Runner) stale(ctx context.Context, o *outcome, err error) (Verdict, string, error) {
	if err != nil {
		return Verdict{}, "", err
	}

	look, there, err := attempt(ctx, r, func(ctx context.Context) (db.JobLookRow, error) {
		return r.q.db.JobLook(ctx, r.q.pool, o.run.task.ID)
	})

	switch {
	case err != nil:
		return Verdict{}, "", err
	case there && look.Canceling && look.Holder != nil && *look.Holder == o.run.holder && !o.canceled:
		o.canceled = true

		return r.bury(ctx, o)
	case there && look.Epoch == o.run.task.Epoch && look.State != stateRunning && look.State != stateDead:
		return Verdict{Do: Again, After: max(seconds(look.DueIn), time.Second), Code: "waiting"}, eventStale, nil
	default:
		return Verdict{Do: Ack}, eventStale, nil
	}
}

// next pushes the epoch that follows.
func (r *Runner) next(o *outcome, epoch int32, runAt time.Time, replaces bool) {
	t := o.run.task
	t.Epoch = epoch
	r.q.offer(r.q.pushOf(t, runAt), replaces)
}

// attempt does one statement until it is answered or patience ends: an outcome is worth waiting
// for, since without it the work is done again. No row is an answer: there is false.
func attempt[T any](ctx context.Context, r *Runner, fn func(context.Context) (T, error)) (row T, there bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.q.timing.Patience)
	defer cancel()

	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		one, stop := context.WithTimeout(ctx, 5*time.Second)
		row, err = fn(one)

		stop()

		switch {
		case err == nil:
			return row, true, nil
		case errors.Is(err, pgx.ErrNoRows):
			return row, false, nil
		}

		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()

			return row, false, err
		case <-t.C:
		}
	}
}
