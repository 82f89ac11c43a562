package queue

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Args are the arguments of one kind of job: a small struct of ids with JSON names.
type Args interface {
	// Kind names the kind, as in the table of kinds. It does not depend on the value.
	Kind() string
}

// Job is one run of a job, as its handler sees it.
type Job[T Args] struct {
	ID          uuid.UUID
	Args        T
	Attempt     int // 1 for the first; snoozes and lost leases do not count
	MaxAttempts int // of the kind's policy

	fence  Fence
	snooze time.Duration
}

// LastAttempt reports whether an error returned now would be the end of the job, so that a
// handler can settle instead.
func (j *Job[T]) LastAttempt() bool { return j.Attempt >= j.MaxAttempts }

// Snooze asks for another run after the time that the kind's policy names, as [Snooze] does.
func (j *Job[T]) Snooze() error { return Snooze(j.snooze) }

// Complete ends the job in the handler's own transaction: whatever else tx does happens if and
// only if the job is over. It returns [ErrStale] when another worker holds the job by now, or an
// operator canceled it; the handler must then roll back. After Complete the handler commits and returns nil.
func (j *Job[T]) Complete(ctx context.Context, tx pgx.Tx) error {
	if j.fence == nil {
		return errNoFence
	}

	return j.fence.Complete(ctx, tx)
}

// Hold makes sure that this worker still holds the job, and keeps it so until tx ends. No writes of a
// handler that do not complete the job are without it. It locks the job, which every caller does behind the row of the
// domain (docs/architecture.md). It returns [ErrStale] like Complete.
func (j *Job[T]) Hold(ctx context.Context, tx pgx.Tx) error {
	if j.fence == nil {
		return errNoFence
	}

	return j.fence.Hold(ctx, tx)
}

var errNoFence = errors.New("job was not claimed: run handlers through durable.Runner or queuetest")

// Handler works the jobs of one kind.
type Handler[T Args] interface {
	// Handle works one job. Nil ends the job; [Snooze] runs it again later and [Cancel] never;
	// any other error is a failed attempt. The context ends with the kind's timeout, a lost
	// lease, a shutdown or an operator's cancel: context.Cause says which ([ErrTimeout], [ErrStale],
	// [ErrStopping], [ErrCanceled]).
	Handle(ctx context.Context, job *Job[T]) error
}

// Burier is implemented by handlers that must do something when a job of theirs dies.
type Burier[T Args] interface {
	// Dead runs in the transaction that declares the job dead, with the code of the last error, or
	// "canceled" when an operator ended it; then the handler may never have run.
	// When it fails, the job does not die: it is tried again later.
	Dead(ctx context.Context, tx pgx.Tx, args T, code string) error
}

// HandlerFunc is a Handler made of a function.
type HandlerFunc[T Args] func(ctx context.Context, job *Job[T]) error

// Handle implements [Handler].
func (f HandlerFunc[T]) Handle(ctx context.Context, job *Job[T]) error { return f(ctx, job) }
