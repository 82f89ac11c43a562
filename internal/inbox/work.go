package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/inbox/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/queue"
)

// Handler does what an event asks for, in tx. It may be called for one event more than once, but what it did is
// committed once, unless an operator has it worked again. [ErrUnknownType]: there is nothing to do for it. An error of [Fail] marks
// the event failed; after any other it is tried again.
type Handler func(ctx context.Context, tx pgx.Tx, e Event) error

// ErrUnknownType says that a handler does nothing for events of this type.
var ErrUnknownType = errors.New("no event of this type is worked")

// failure is the end of an event that cannot be worked, however often it is tried.
type failure struct{ code string }

// Error implements error.
func (f failure) Error() string { return "event failed: " + f.code }

// Fail returns an error that ends an event as failed, with a code of our own in snake case.
func Fail(code string) error { return failure{code} }

// The states in which events end.
const (
	stateReceived = "received"
	stateWorked   = "worked"
	stateIgnored  = "ignored"
	stateFailed   = "failed"
)

// codeErased is of an event whose body went before it was worked.
const codeErased = "body_erased"

// Register makes the inbox the handler of its jobs.
func (b *Inbox) Register(r *queue.Registry) { queue.Register(r, worker{b}) }

// worker works events.
type worker struct{ *Inbox }

// Handle implements [queue.Handler]. What the handler of the source does is undone where it ends the event otherwise than
// as worked.
func (h worker) Handle(ctx context.Context, job *queue.Job[jobs.WorkInboxEvent]) error {
	id := job.Args.EventID
	queue.About(ctx, slog.Any("event_id", id))

	err := postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		source, err := h.workEvent(ctx, tx, id)
		if err != nil {
			return err
		}

		if source != "" {
			tx.AfterCommit(func() { h.metrics.countEnd(source, stateWorked) })
		}

		return job.Complete(ctx, tx)
	})

	failed, isFailure := errors.AsType[failure](err)

	switch {
	// No handler of this release knows the type: an operator may have a later one work it.
	case errors.Is(err, ErrUnknownType):
		return h.endWithoutEffect(ctx, job, stateIgnored, nil)
	// It cannot be worked, however often it is tried.
	case isFailure:
		return h.endWithoutEffect(ctx, job, stateFailed, &failed.code)
	// It was worked, or is tried again.
	default:
		return err
	}
}

// workEvent calls the handler of an event and marks it worked; of which source, it returns. One that has ended, or is gone, is left
// alone: none.
func (h worker) workEvent(ctx context.Context, tx *postgres.Tx, id uuid.UUID) (source string, err error) {
	e, err := h.db.EventLock(ctx, tx, id)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read event: %w", err)
	case e.State != stateReceived:
		return "", nil
	case e.Body == nil:
		return "", Fail(codeErased)
	}

	handle, ok := h.Handlers[e.Source]
	if !ok {
		return "", fmt.Errorf("events of %s are not worked here", e.Source)
	}

	if err := handle(ctx, tx, Event{Source: e.Source, ID: e.EventID, Type: e.EventType, Body: e.Body}); err != nil {
		return "", err
	}

	return e.Source, h.db.EventEnd(ctx, tx, db.EventEndParams{ID: id, State: stateWorked})
}

// endWithoutEffect ends an event, and its job.
func (h worker) endWithoutEffect(ctx context.Context, job *queue.Job[jobs.WorkInboxEvent], state string, code *string) error {
	return postgres.InTx(ctx, h.Pool, func(tx *postgres.Tx) error {
		if err := h.endEvent(ctx, tx, job.Args.EventID, state, code); err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
}

// Dead marks an event failed whose job is not tried any more.
func (h worker) Dead(ctx context.Context, tx pgx.Tx, args jobs.WorkInboxEvent, code string) error {
	return h.endEvent(ctx, tx, args.EventID, stateFailed, &code)
}

// endEvent marks an event that has not ended.
func (h worker) endEvent(ctx context.Context, tx pgx.Tx, id uuid.UUID, state string, code *string) error {
	e, err := h.db.EventLock(ctx, tx, id)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil
	case err != nil:
		return fmt.Errorf("read event: %w", err)
	case e.State != stateReceived:
		return nil
	}

	if err := h.db.EventEnd(ctx, tx, db.EventEndParams{ID: id, State: state, Code: code}); err != nil {
		return fmt.Errorf("mark event %s: %w", state, err)
	}

	queue.AfterCommit(tx, func() { h.reportEnd(id, e.Source, state, code) })

	return nil
}

// reportEnd counts the end of an event that did nothing, and tells operators of one that failed.
func (h worker) reportEnd(id uuid.UUID, source, state string, code *string) {
	h.metrics.countEnd(source, state)

	if code != nil {
		h.Log.Warn("inbox event failed", slog.Any("event_id", id), slog.String("source", source), slog.String("code", *code))
	}
}
