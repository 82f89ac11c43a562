package queue

import (
	"errors"
	"time"
)

var (
	// ErrStale says that this worker no longer holds the job: its lease ran out and another
	// worker has, or had, the job. It is also the cause of the end of such a handler's context.
	ErrStale = errors.New("job is no longer held by this worker")

	// ErrTimeout is the cause of a context that ended with the kind's timeout.
	ErrTimeout = errors.New("job ran into its timeout")

	// ErrStopping is the cause of a context that ended because the worker shuts down. An error
	// returned after it spends no attempt: the job is handed to another worker.
	ErrStopping = errors.New("worker is stopping")

	// ErrCanceled is the cause of a context that ended because an operator canceled the job.
	// Whatever the handler returns then, the job is dead, and its Dead hook runs.
	ErrCanceled = errors.New("job was canceled by an operator")

	// ErrUndecodable says that the arguments of a job do not fit its kind.
	ErrUndecodable = errors.New("job arguments do not decode")
)

// Snooze asks for the job to be run again after d, rounded up to whole seconds. It is not a
// failure and spends no attempt, not even the last. A job that was woken meanwhile runs at once.
func Snooze(d time.Duration) error { return &snooze{after: max(d, 0)} }

// Cancel ends the job for ever: it is kept as dead, for an operator to look at. The handler's
// Dead hook runs. Cancel(nil) is nil.
func Cancel(err error) error {
	if err == nil {
		return nil
	}

	return &cancel{cause: err}
}

// SnoozeOf returns the delay of a [Snooze] in err's chain.
func SnoozeOf(err error) (time.Duration, bool) {
	s, ok := errors.AsType[*snooze](err)
	if !ok {
		return 0, false
	}

	return s.after, true
}

// IsCancel reports whether a [Cancel] is in err's chain.
func IsCancel(err error) bool {
	_, ok := errors.AsType[*cancel](err)

	return ok
}

type snooze struct{ after time.Duration }

func (s *snooze) Error() string { return "snoozed for " + s.after.String() }

type cancel struct{ cause error }

func (c *cancel) Error() string { return "canceled: " + c.cause.Error() }
func (c *cancel) Unwrap() error { return c.cause }
