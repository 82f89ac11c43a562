package durable

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue"
	"imagerun/queue/durable/db"
)

// settleRun writes the outcome to Postgres and says what the engine shall do.
func (r *Runner) settleRun(u *run) Verdict { return r.writeOutcome(u, r.decideOutcome) }

// writeOutcome has how write an outcome.
func (r *Runner) writeOutcome(u *run, how func(context.Context, *run) (Verdict, string, error)) Verdict {
	v, event, err := how(u.base, u)
	if err != nil {
		return r.leaveToSweeper(u, err)
	}

	r.recordOutcome(u, event)

	return v
}

// leaveToSweeper is for an outcome that Postgres does not know: the row stays as it is, and when its lease has run
// out, the sweeper gives it to another.
func (r *Runner) leaveToSweeper(u *run, err error) Verdict {
	r.log.ErrorContext(u.base, "job outcome was not written", slog.String("job_id", u.task.ID.String()), slog.String("kind", u.task.Kind), slog.Any("error", err))

	return notNow(CodeUnreachable)
}

// recordOutcome counts and logs an outcome.
func (r *Runner) recordOutcome(u *run, event string) {
	if !u.canceled && !u.poisoned {
		r.q.metrics.run.WithLabelValues(u.task.Kind, u.task.Queue).Observe(time.Since(u.started).Seconds())
	}

	r.q.metrics.countEvent(u.task.Kind, u.task.Queue, event)
	r.logOutcome(u, event)
}

// decideOutcome chooses the outcome of a run and writes it.
func (r *Runner) decideOutcome(ctx context.Context, u *run) (v Verdict, event string, err error) {
	if u.canceled || u.poisoned {
		return r.buryJob(ctx, u)
	}

	if u.completed.Load() {
		gone, ours, err := r.checkOwnership(ctx, u)

		switch {
		case err != nil:
			return v, "", err
		case gone: // even if the handler was told otherwise
			return Verdict{Do: Ack}, eventDone, nil
		case !ours:
			return r.answerStale(ctx, u, nil)
		}

		if u.err == nil {
			u.err = errNotCommitted
		}
	}

	delay, snoozed := queue.SnoozeOf(u.err)

	switch {
	case errors.Is(u.cause, queue.ErrStale):
		// The heartbeat found that another holds the job.
		return Verdict{Do: Ack}, eventStale, nil
	case u.err == nil:
		// The handler left the end of its job to us.
		return r.finishJob(ctx, u)
	case snoozed:
		// It asked for more time: no attempt is spent.
		return r.snoozeJob(ctx, u, delay)
	case queue.IsCancel(u.err), errors.Is(u.err, queue.ErrUndecodable):
		// No further attempt can succeed.
		return r.buryJob(ctx, u)
	case errors.Is(u.cause, queue.ErrStopping):
		// The worker stops, which is not the job's failure.
		return r.handBackJob(ctx, u)
	case r.outage(u.err):
		// Postgres or another part of ours was away: again, with no attempt spent.
		return r.failJob(ctx, u, 0)
	case u.attempt >= u.policy.Attempts, slices.Contains(u.policy.Final, r.errorCode(u)):
		// That was the last attempt, by its number or by the policy of its error.
		return r.buryJob(ctx, u)
	default:
		// It failed, and has attempts left.
		return r.failJob(ctx, u, 1)
	}
}

// checkOwnership reports whether the row is gone, and whether it is still claimed by this run.
func (r *Runner) checkOwnership(ctx context.Context, u *run) (gone, ours bool, err error) {
	row, there, err := retryStatement(ctx, r, func(ctx context.Context) (db.JobGetRow, error) {
		return r.q.db.JobGet(ctx, r.q.pool, u.task.ID)
	})

	return err == nil && !there, there && row.Holder != nil && *row.Holder == u.holder, err
}

// finishMany ends the jobs of handlers that returned nil, as many with one statement as nothing is in the way of.
func (r *Runner) finishMany(runs []*run) {
	ctx := context.Background()
	p := db.JobFinishManyParams{Ids: make([]uuid.UUID, len(runs)), Holders: make([]uuid.UUID, len(runs))}

	for i, u := range runs {
		p.Ids[i], p.Holders[i] = u.task.ID, u.holder
	}

	rows, _, err := retryStatement(ctx, r, func(ctx context.Context) ([]*uuid.UUID, error) {
		return r.q.db.JobFinishMany(ctx, r.q.pool, p)
	})

	finished := make(map[uuid.UUID]bool, len(rows))
	for _, holder := range rows {
		finished[*holder] = true
	}

	for _, u := range runs {
		switch {
		case err != nil:
			u.answerEngine(r.leaveToSweeper(u, err))
		case finished[u.holder]:
			r.recordDone(u)
		default: // another transaction has locked it, or it is not ours any more
			go func() { u.answerEngine(r.settleRun(u)) }()
		}
	}
}

func (r *Runner) finishJob(ctx context.Context, u *run) (v Verdict, event string, err error) {
	n, _, err := retryStatement(ctx, r, func(ctx context.Context) (int64, error) {
		return r.q.db.JobFinish(ctx, r.q.pool, db.JobFinishParams{ID: u.task.ID, Holder: &u.holder})
	})
	if err != nil || n == 0 {
		return r.answerStale(ctx, u, err)
	}

	return Verdict{Do: Ack}, eventDone, nil
}

func (r *Runner) snoozeJob(ctx context.Context, u *run, d time.Duration) (v Verdict, event string, err error) {
	// Redis keeps whole seconds, so Postgres does too.
	d = time.Duration(math.Ceil(d.Seconds())) * time.Second

	row, held, err := retryStatement(ctx, r, func(ctx context.Context) (db.JobSnoozeRow, error) {
		return r.q.db.JobSnooze(ctx, r.q.pool, db.JobSnoozeParams{
			ID: u.task.ID, Holder: &u.holder, Epoch: u.task.Epoch, Delay: d.Seconds(),
		})
	})

	switch {
	case err != nil || !held:
		return r.answerStale(ctx, u, err)
	case row.State == stateStaged:
		r.pushNext(u, row.Epoch, fromSeconds(row.DueIn), false)

		return Verdict{Do: Ack}, eventSnoozed, nil
	default:
		return Verdict{Do: Again, After: d, Code: "snoozed"}, eventSnoozed, nil
	}
}

// failJob spends an attempt, or none when only our own part failed.
func (r *Runner) failJob(ctx context.Context, u *run, spent int32) (v Verdict, event string, err error) {
	delay, code := u.policy.Backoff.Delay(u.attempt), r.errorCode(u)

	row, held, err := retryStatement(ctx, r, func(ctx context.Context) (db.JobFailRow, error) {
		return r.q.db.JobFail(ctx, r.q.pool, db.JobFailParams{
			ID: u.task.ID, Holder: &u.holder, Epoch: u.task.Epoch,
			Afresh: u.stuck, Delay: delay.Seconds(), Spent: spent, ErrorCode: code, Canceled: u.canceled, Poisoned: u.poisoned,
		})
	})
	if err != nil || !held {
		return r.answerStale(ctx, u, err)
	}

	if row.State == stateStaged {
		r.pushNext(u, row.Epoch, fromSeconds(row.DueIn), u.stuck)

		return Verdict{Do: Ack}, eventFailed, nil
	}

	return Verdict{Do: Again, After: delay, Code: code, Spent: spent > 0}, eventFailed, nil
}

// handBackJob gives the job to another worker, as if this one had never had it.
func (r *Runner) handBackJob(ctx context.Context, u *run) (v Verdict, event string, err error) {
	epoch, held, err := retryStatement(ctx, r, func(ctx context.Context) (int32, error) {
		return r.q.db.JobHandBack(ctx, r.q.pool, db.JobHandBackParams{ID: u.task.ID, Holder: &u.holder})
	})
	if err != nil || !held {
		return r.answerStale(ctx, u, err)
	}

	r.pushNext(u, epoch, 0, u.stuck)

	return Verdict{Do: Ack}, eventHandedBack, nil
}

// buryJob ends the job for ever, with the kind's Dead hook in the same transaction. The hook comes
// first: it locks rows of its domain, and everyone locks those before the job's (docs/architecture.md).
func (r *Runner) buryJob(ctx context.Context, u *run) (v Verdict, event string, err error) {
	var hook error

	code, spent := r.errorCode(u), int32(1)
	if u.canceled || u.poisoned {
		spent = 0 // its handler was not called for this
	}

	n, _, err := retryStatement(ctx, r, func(ctx context.Context) (n int64, err error) {
		hook = nil

		err = r.q.inTx(ctx, func(tx pgx.Tx) error {
			if hook = u.callDeadHook(ctx, tx, code); hook != nil {
				return hook
			}

			n, err = r.q.db.JobBury(ctx, tx, db.JobBuryParams{
				ID: u.task.ID, Holder: &u.holder, Spent: spent, ErrorCode: code,
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
		r.log.ErrorContext(ctx, "dead hook failed", slog.String("job_id", u.task.ID.String()), slog.String("kind", u.task.Kind), slog.Any("error", hook))

		return r.failJob(ctx, u, 0)
	case err != nil || n == 0:
		return r.answerStale(ctx, u, err)
	default:
		return Verdict{Do: Bury, Code: code}, eventDead, nil
	}
}

func (u *run) callDeadHook(ctx context.Context, tx pgx.Tx, code string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &panicked{stack: debug.Stack()}
		}
	}()

	return u.worker.Dead(ctx, tx, u.args, code)
}

// answerStale answers for a write that found nothing of ours: an operator canceled the job, which ends
// it here; another worker has it; an earlier try of this write happened although its answer was
// lost; or Postgres crashed and lost the claim. In the last two this task is still the one that the row waits for.
func (r *Runner) answerStale(ctx context.Context, u *run, err error) (Verdict, string, error) {
	if err != nil {
		return Verdict{}, "", err
	}

	row, there, err := retryStatement(ctx, r, func(ctx context.Context) (db.JobGetRow, error) {
		return r.q.db.JobGet(ctx, r.q.pool, u.task.ID)
	})

	switch {
	case err != nil:
		return Verdict{}, "", err
	case there && row.Canceling && row.Holder != nil && *row.Holder == u.holder && !u.canceled:
		// An operator canceled it, and it is still ours.
		u.canceled = true

		return r.buryJob(ctx, u)
	case there && row.Epoch == u.task.Epoch && row.State != stateRunning && row.State != stateDead:
		// It waits for this very task.
		return Verdict{Do: Again, After: max(fromSeconds(row.DueIn), time.Second), Code: "waiting"}, eventStale, nil
	default:
		// It is gone, or another's.
		return Verdict{Do: Ack}, eventStale, nil
	}
}

// pushNext pushes the epoch that follows.
func (r *Runner) pushNext(u *run, epoch int32, dueIn time.Duration, replaces bool) {
	t := u.task
	t.Epoch = epoch
	r.q.offerPush(r.q.newPush(t, dueIn), replaces)
}

// retryStatement does one statement until it is answered or patience ends: an outcome is worth waiting
// for, since without it the work is done again. No row is an answer: there is false.
func retryStatement[T any](ctx context.Context, r *Runner, fn func(context.Context) (T, error)) (row T, there bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.q.timing.Patience)
	defer cancel()

	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		one, stop := context.WithTimeout(ctx, answerTimeout)
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
