package durable

import (
	"context"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue/durable/db"
)

const claimTimeout = 5 * time.Second

// claimMany takes with one statement all jobs that nothing is in the way of, and looks at each of the others
// by itself.
func (r *Runner) claimMany(ctx context.Context, runs []*run) {
	p := db.JobClaimManyParams{
		Lease: r.q.timing.Lease.Seconds(), Kinds: r.kinds(),
		Ids: make([]uuid.UUID, len(runs)), Epochs: make([]int32, len(runs)), Holders: make([]uuid.UUID, len(runs)),
	}

	for i, u := range runs {
		p.Ids[i], p.Epochs[i], p.Holders[i] = u.task.ID, u.task.Epoch, u.holder
	}

	one, cancel := context.WithTimeout(ctx, claimTimeout)
	rows, err := r.q.db.JobClaimMany(one, r.q.pool, p)

	cancel()

	if err != nil {
		// Whatever it is, nothing was written that we know of, and the jobs cannot help it.
		r.log.WarnContext(ctx, "jobs were not claimed", slog.Int("jobs", len(runs)), slog.Any("error", err))

		for _, u := range runs {
			u.refuse(notNow(codeUnreachable))
		}

		return
	}

	if len(runs) == 1 && len(rows) == 1 {
		r.enter(runs[0], db.JobClaimRow(rows[0]))

		return
	}

	claimed := make(map[uuid.UUID]db.JobClaimRow, len(rows))
	for _, row := range rows {
		claimed[row.Holder] = db.JobClaimRow(row)
	}

	for _, u := range runs {
		if row, ok := claimed[u.holder]; ok {
			r.enter(u, row)
		} else {
			go r.claimAlone(ctx, u)
		}
	}
}

// claimAlone waits for a row that somebody has locked; if the job is not to be had then, it says what to do
// with the task.
func (r *Runner) claimAlone(ctx context.Context, u *run) {
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()

	row, err := r.q.db.JobClaim(ctx, r.q.pool, db.JobClaimParams{
		ID: u.task.ID, Epoch: u.task.Epoch, Holder: u.holder, Lease: r.q.timing.Lease.Seconds(), Kinds: r.kinds(),
	})
	if err == nil {
		r.enter(u, row)

		return
	}

	var v Verdict

	if err == pgx.ErrNoRows { //nolint:errorlint // pgx returns the value itself
		v, err = r.unclaimed(ctx, u)
	}

	if err != nil {
		r.log.WarnContext(ctx, "job was not claimed", slog.String("job_id", u.task.ID.String()), slog.Any("error", err))

		v = notNow(codeUnreachable)
	}

	u.refuse(v)
}

// unclaimed says what to do with a task whose job could not be claimed.
func (r *Runner) unclaimed(ctx context.Context, u *run) (Verdict, error) {
	look, err := r.q.db.JobLook(ctx, r.q.pool, u.task.ID)

	switch {
	case err == pgx.ErrNoRows: //nolint:errorlint // pgx returns the value itself
		// Done before.
	case err != nil:
		return Verdict{}, err
	case look.Epoch != u.task.Epoch, look.State == stateRunning, look.State == stateDead:
		// Replaced, or another's.
		u.task.Kind = look.Kind
	case !r.handles(look.Kind):
		// A rolling deploy: another worker may know the kind.
		r.q.metrics.count(look.Kind, look.Queue, eventNoHandler)

		return Verdict{Do: Again, After: 5 * time.Second, Code: "no_handler"}, nil
	case look.Paused:
		return Verdict{Do: PutBack, Code: CodePaused}, nil
	case look.DueIn > 0:
		// The engine was early: an operator, or a clock.
		return Verdict{Do: Again, After: seconds(look.DueIn), Code: "not_due"}, nil
	default:
		return notNow("changed"), nil // between the two looks
	}

	r.q.metrics.count(u.task.Kind, u.task.Queue, eventDuplicate)

	return Verdict{Do: Ack}, nil
}

func (r *Runner) handles(kind string) bool {
	_, ok := r.reg.Worker(kind)

	return ok
}

// enter has a claimed job's handler called, now or as soon as there is a slot.
func (r *Runner) enter(u *run, row db.JobClaimRow) {
	u.task.Kind, u.task.Queue = row.Kind, row.Queue
	u.worker, _ = r.reg.Worker(row.Kind)
	u.policy, _ = r.reg.Kinds().Policy(row.Kind)
	u.args, u.attempt, u.canceled, u.started = row.Args, int(row.Attempt)+1, row.Canceling, time.Now()
	u.claimed.Store(true)

	if u.canceled {
		u.slots.forgo()

		go r.conclude(u)

		return
	}

	r.q.metrics.count(row.Kind, row.Queue, eventStarted)
	r.q.metrics.late.WithLabelValues(row.Kind, row.Queue).Observe(max(row.Late, 0))

	if u.slots.enter(u) {
		r.call(u)
	}
}

// unclaim gives up a claimed job whose handler was not called: it is as if it had not been taken.
func (r *Runner) unclaim(u *run) {
	n, _, err := persist(u.base, r, func(ctx context.Context) (int64, error) {
		return r.q.db.JobUnclaim(ctx, r.q.pool, db.JobUnclaimParams{ID: u.task.ID, Holder: u.holder, Epoch: u.task.Epoch})
	})

	switch {
	case err != nil:
		r.log.ErrorContext(u.base, "job was not given up", slog.String("job_id", u.task.ID.String()), slog.Any("error", err))
		u.refuse(notNow(codeUnreachable))
	case n == 0: // canceled, taken away, or replaced meanwhile
		u.slots.forgo()
		u.answer(r.write(u, func(ctx context.Context, u *run) (Verdict, string, error) { return r.stale(ctx, u, nil) }))
	default:
		u.refuse(Verdict{Do: PutBack, Code: CodeNoSlot})
	}
}
