package durable

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"imagerun/queue/durable/db"
)

const (
	// answerTimeout is beyond the statement_timeout of a pool (10 s): a statement that was sent is answered, unless
	// the connection is lost.
	answerTimeout = 15 * time.Second
	// maxLostLeases is how many leases in a row a job may lose: it probably kills the workers that touch it. It is
	// buried then, by a worker, with what its kind owes to its death, and without its handler.
	maxLostLeases = 3
	// codeSuspect is of a task whose job is a suspect, while this worker has another such job.
	codeSuspect = "suspect"
	// maxSuspectWait is for how long one waits for the other.
	maxSuspectWait = time.Second
)

// claimMany takes with one statement all jobs that nothing is in the way of, and looks at each of the others
// by itself.
func (r *Runner) claimMany(ctx context.Context, runs []*run) {
	if len(runs) == 1 {
		go r.claimAlone(ctx, runs[0]) // the simpler statement; it may wait

		return
	}

	p := db.JobClaimManyParams{
		Lease: r.q.timing.Lease.Seconds(), Kinds: r.kinds(),
		Ids: make([]uuid.UUID, len(runs)), Epochs: make([]int32, len(runs)), Holders: make([]uuid.UUID, len(runs)),
	}

	for i, u := range runs {
		p.Ids[i], p.Epochs[i], p.Holders[i] = u.task.ID, u.task.Epoch, u.holder
	}

	one, cancel := context.WithTimeout(ctx, answerTimeout)
	rows, err := r.q.db.JobClaimMany(one, r.q.pool, p)

	cancel()

	if err != nil {
		go r.putBackUnclaimed(ctx, runs, err)

		return
	}

	claimed := make(map[uuid.UUID]db.JobClaimRow, len(rows))
	for _, row := range rows {
		claimed[row.Holder] = db.JobClaimRow(row)
	}

	for _, u := range runs {
		if row, ok := claimed[u.holder]; ok {
			r.enterSlot(u, row)
		} else {
			go r.claimAlone(ctx, u)
		}
	}
}

// claimAlone claims a job that was not free, or says what to do with its task. A suspect may be what killed the
// worker that had it, so it is worked with no other suspect beside it: those that died with a killer must not
// die with it again.
func (r *Runner) claimAlone(ctx context.Context, u *run) {
	row, v, err := r.claimOrJudge(ctx, u)

	if v.Code == codeSuspect && r.awaitSuspects() {
		u.suspect = true
		row, v, err = r.claimOrJudge(ctx, u)
	}

	switch {
	case err != nil:
		r.putBackUnclaimed(ctx, []*run{u}, err)
	case row == nil:
		u.answerUncalled(v)
	default:
		r.enterSlot(u, *row)
	}
}

// beginSuspect has the lease of a suspect count from now on, should it be lost: this worker has got the job, and is
// about to call its handler.
func (r *Runner) beginSuspect(u *run) error {
	ctx, cancel := context.WithTimeout(u.base, answerTimeout)
	defer cancel()

	n, err := r.q.db.JobBegin(ctx, r.q.pool, db.JobBeginParams{ID: u.task.ID, Holder: u.holder, Lease: r.q.timing.Lease.Seconds()})

	return requireHeld(n, err)
}

// awaitSuspects waits until no suspect is in hand, and reports whether the next may be. No worker holds
// the job meanwhile, and it must not wait here for long while others could have it.
func (r *Runner) awaitSuspects() bool {
	late := time.NewTimer(maxSuspectWait)
	defer late.Stop()

	select {
	case r.suspects <- struct{}{}:
		return true
	case <-late.C:
		return false
	}
}

// claimOrJudge claims a job, and waits for its row if another transaction has locked it. Where the job is not to be had the
// verdict says what to do with the task.
func (r *Runner) claimOrJudge(ctx context.Context, u *run) (*db.JobClaimRow, Verdict, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()

	row, err := r.q.db.JobClaim(ctx, r.q.pool, db.JobClaimParams{
		ID: u.task.ID, Epoch: u.task.Epoch, Holder: u.holder, Lease: r.q.timing.Lease.Seconds(), Kinds: r.kinds(), Suspects: u.suspect,
	})
	if err == nil {
		return &row, Verdict{}, nil
	}

	if err != pgx.ErrNoRows { //nolint:errorlint // pgx returns the value itself
		return nil, Verdict{}, err
	}

	v, err := r.judgeUnclaimed(ctx, u)

	return nil, v, err
}

// judgeUnclaimed says what to do with a task whose job could not be claimed.
func (r *Runner) judgeUnclaimed(ctx context.Context, u *run) (Verdict, error) {
	row, err := r.q.db.JobGet(ctx, r.q.pool, u.task.ID)

	switch {
	case err == pgx.ErrNoRows: //nolint:errorlint // pgx returns the value itself
		// Done before.
	case err != nil:
		return Verdict{}, err
	case row.Epoch != u.task.Epoch, row.State == stateRunning, row.State == stateDead:
		// Replaced, or another's.
		u.task.Kind = row.Kind
	case !r.hasHandler(row.Kind):
		// A rolling deploy: another worker may know the kind.
		r.q.metrics.countEvent(row.Kind, row.Queue, eventNoHandler)

		return Verdict{Do: Again, After: 5 * time.Second, Code: "no_handler"}, nil
	case row.Paused:
		return Verdict{Do: PutBack, Code: CodePaused}, nil
	case row.DueIn > 0:
		// The engine was early: an operator, or a clock.
		return Verdict{Do: Again, After: fromSeconds(row.DueIn), Code: "not_due"}, nil
	case row.Suspect && !u.suspect:
		return notNow(codeSuspect), nil
	default:
		return notNow("changed"), nil // between the two statements
	}

	r.q.metrics.countEvent(u.task.Kind, u.task.Queue, eventDuplicate)

	return Verdict{Do: Ack}, nil
}

func (r *Runner) hasHandler(kind string) bool {
	_, ok := r.reg.Worker(kind)

	return ok
}

// enterSlot has a claimed job's handler called, now or as soon as there is a slot.
//
//nolint:contextcheck // the run has its own
func (r *Runner) enterSlot(u *run, row db.JobClaimRow) {
	u.task.Kind, u.task.Queue = row.Kind, row.Queue
	u.worker, _ = r.reg.Worker(row.Kind)
	u.policy, _ = r.reg.Kinds().Policy(row.Kind)
	u.args, u.attempt, u.started = row.Args, int(row.Attempt)+1, time.Now()
	u.canceled, u.poisoned = row.Canceling, row.Lost >= maxLostLeases
	u.claimed.Store(true)

	if u.canceled || u.poisoned {
		u.slots.uncountHeld()

		go r.concludeRun(u)

		return
	}

	if u.suspect && r.beginSuspect(u) != nil {
		r.unclaimJob(u)

		return
	}

	r.q.metrics.countEvent(row.Kind, row.Queue, eventStarted)
	r.q.metrics.late.WithLabelValues(row.Kind, row.Queue).Observe(max(row.Late, 0))

	if u.slots.acquireOrWait(u) {
		r.callHandler(u)
	}
}

// unclaimJob gives up a claimed job whose handler was not called: it is as if it had not been taken.
func (r *Runner) unclaimJob(u *run) {
	held, err := r.unclaimMany(u.base, []*run{u})

	switch {
	case err != nil:
		r.log.ErrorContext(u.base, "job was not given up", slog.String("job_id", u.task.ID.String()), slog.Any("error", err))
		u.answerUncalled(notNow(CodeUnreachable))
	case len(held) == 0: // canceled, taken away, or replaced meanwhile
		u.slots.uncountHeld()
		u.answerEngine(r.writeOutcome(u, func(ctx context.Context, u *run) (Verdict, string, error) { return r.answerStale(ctx, u, nil) }))
	default:
		u.answerUncalled(Verdict{Do: PutBack, Code: CodeNoSlot})
	}
}

// putBackUnclaimed answers for tasks whose claim failed; the jobs cannot help it. One that was not answered may have
// been written all the same, for a holder that is gone.
func (r *Runner) putBackUnclaimed(ctx context.Context, runs []*run, err error) {
	r.q.warnThrottled(ctx, "jobs were not claimed", err)

	if mayBeWritten(err) {
		if _, err := r.unclaimMany(ctx, runs); err != nil {
			r.log.ErrorContext(ctx, "claims without an answer were not given up", slog.Int("jobs", len(runs)), slog.Any("error", err))
		}
	}

	for _, u := range runs {
		u.answerUncalled(Verdict{Do: PutBack, Code: CodeUnreachable})
	}
}

// mayBeWritten reports whether a statement that failed may have happened.
func mayBeWritten(err error) bool {
	_, refused := errors.AsType[*pgconn.PgError](err)
	_, unsent := errors.AsType[*pgconn.ConnectError](err)

	return !refused && !unsent && !pgconn.SafeToRetry(err)
}

// unclaimMany gives up claims, and returns the holders of those that were there.
func (r *Runner) unclaimMany(ctx context.Context, runs []*run) (held []uuid.UUID, err error) {
	p := db.JobUnclaimParams{Ids: make([]uuid.UUID, len(runs)), Holders: make([]uuid.UUID, len(runs)), Epochs: make([]int32, len(runs))}

	for i, u := range runs {
		p.Ids[i], p.Holders[i], p.Epochs[i] = u.task.ID, u.holder, u.task.Epoch
	}

	held, _, err = retryStatement(ctx, r, func(ctx context.Context) ([]uuid.UUID, error) {
		return r.q.db.JobUnclaim(ctx, r.q.pool, p)
	})

	return held, err
}
