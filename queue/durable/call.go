package durable

import (
	"context"
	"errors"
	"runtime/debug"
	"time"

	"imagerun/queue"
)

// The stages of a handler, of which a run leaves the first once.
const (
	handlerRuns int32 = iota
	handlerReturned
	handlerStuck
)

// panicked stands for a panic. The value is not in it: it may hold anything.
type panicked struct{ stack []byte }

func (p *panicked) Error() string { return "handler panicked" }

// callHandler has the handler of a run called: on a goroutine that has called others, while there are any, since its
// stack has grown to what handlers need.
func (r *Runner) callHandler(u *run) {
	select {
	case r.spare <- u:
	default:
		go r.callHandlers(u)
	}
}

// callHandlers calls one handler after the other, until no task is in hand.
func (r *Runner) callHandlers(u *run) {
	for {
		busy := u.busy
		r.runHandler(u)

		select {
		case u = <-r.spare:
		case <-busy:
			return
		}
	}
}

// runHandler calls the handler and sees to what comes of it.
//
//nolint:contextcheck // the run has its own
func (r *Runner) runHandler(u *run) {
	u.started = time.Now()
	ctx, stop := context.WithTimeoutCause(queue.WithNotes(u.ctx, &u.notes), u.policy.Timeout, queue.ErrTimeout)
	unwatch := context.AfterFunc(ctx, func() { r.watchStuck(ctx, u) })

	err := errExited

	defer func() { // on runtime.Goexit, too
		unwatch()
		defer stop()

		cause := context.Cause(ctx)
		u.slots.freeSlot(time.Since(u.started))

		if !u.stage.CompareAndSwap(handlerRuns, handlerReturned) {
			u.settling.Wait()
			u.answerEngine(Verdict{Do: Ack}) // what it says now is of no claim

			return
		}

		u.err, u.cause = err, cause
		r.concludeRun(u)
	}()

	err = u.invokeHandler(ctx)
}

// invokeHandler calls the handler, unless its context has ended while it waited for a slot. A panic is an error.
func (u *run) invokeHandler(ctx context.Context) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}

	defer func() {
		if v := recover(); v != nil {
			err = &panicked{stack: debug.Stack()}
		}
	}()

	return u.worker.Work(ctx, queue.Claimed{
		ID: u.task.ID, Args: u.args, Attempt: u.attempt, MaxAttempts: u.policy.Attempts, Snooze: u.policy.Snooze, Fence: u,
	})
}

// watchStuck gives a handler whose context has ended the time to notice. One that does not is stuck: its job goes
// on elsewhere, but the slot stays taken, since a handler that runs still costs what it costs.
func (r *Runner) watchStuck(ctx context.Context, u *run) {
	time.AfterFunc(r.q.timing.Grace, func() {
		u.settling.Add(1)
		defer u.settling.Done()

		if !u.stage.CompareAndSwap(handlerRuns, handlerStuck) {
			return
		}

		u.cause = context.Cause(ctx)
		u.err, u.stuck = u.cause, true

		r.q.metrics.countEvent(u.task.Kind, u.task.Queue, eventStuck)
		r.q.metrics.countEvent(u.task.Kind, u.task.Queue, eventDeaf)
		r.settleRun(u)
		u.claimed.Store(false)

		r.mu.Lock()
		defer r.mu.Unlock()

		r.clearSuspect(u)
	})
}

// concludeRun sees to the outcome of a handler that has returned. The good ends are the usual ones: that of one
// that committed its completion is known, and those of others are written many at once.
func (r *Runner) concludeRun(u *run) {
	switch {
	case u.committed.Load():
		r.recordDone(u)
	case u.err == nil && !u.canceled && !u.poisoned && !u.completed.Load() && !errors.Is(u.cause, queue.ErrStale):
		r.finishes.Add(u)
	default:
		u.answerEngine(r.settleRun(u))
	}
}

// recordDone reports a job whose end is in Postgres.
func (r *Runner) recordDone(u *run) {
	r.recordOutcome(u, eventDone)
	u.answerEngine(Verdict{Do: Ack})
}
