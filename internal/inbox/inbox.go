package inbox

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/inbox/db"
	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

var (
	// ErrInvalid says that an event has no id or no type that can be kept.
	ErrInvalid = fault.New(fault.Invalid, "validation_failed", "The event needs an id of at most 200 characters and a type of at most 100.")

	// ErrNotFound says that there is no such event: it never came, or a year ago.
	ErrNotFound = errors.New("there is no such event")
	// ErrErased says that the body of an event is gone, so that it cannot be worked any more.
	ErrErased = errors.New("the body of the event is gone")
)

// The most that an event's names have, in characters.
const (
	maxEventID   = 200
	maxEventType = 100
)

// Event is what a vendor tells.
type Event struct {
	Source string // the vendor's name here
	ID     string // the vendor's; unique in its source
	Type   string // the vendor's word for what happened
	Body   []byte // as it came
}

// Deps are what an [Inbox] works with. All but Handlers are required.
type Deps struct {
	Pool  *pgxpool.Pool
	Queue *durable.Queue
	Log   *slog.Logger
	Now   clock.Now
	// Handlers work the events, by source. Those of a source without one fail: it is only taken in where it is worked.
	Handlers map[string]Handler
}

// Inbox is the verbs. Safe for concurrent use.
type Inbox struct {
	Deps

	db      *db.Queries
	metrics *metrics
}

// New returns an inbox. It dials nothing and starts nothing.
func New(d Deps) *Inbox { return &Inbox{Deps: d, db: db.New(), metrics: newMetrics()} }

// Receive keeps an event that was verified and stages the job that works it, in one transaction. An event that came before
// changes nothing: fresh is false. After any error it may be received again.
func (b *Inbox) Receive(ctx context.Context, e Event) (fresh bool, err error) {
	if !isName(e.ID, maxEventID) || !isName(e.Type, maxEventType) {
		return false, ErrInvalid
	}

	err = postgres.RetryTx(ctx, b.Pool, func(tx *postgres.Tx) error {
		fresh, err = b.insertEvent(ctx, tx, e)

		return err
	})
	if err != nil {
		return false, fmt.Errorf("receive event of %s: %w", e.Source, err)
	}

	return fresh, nil
}

func (b *Inbox) insertEvent(ctx context.Context, tx *postgres.Tx, e Event) (fresh bool, err error) {
	id, err := uuid.NewV7()
	if err != nil {
		return false, err
	}

	body := e.Body
	if body == nil {
		body = []byte{} // null is one that was erased
	}

	id, err = b.db.EventInsert(ctx, tx, db.EventInsertParams{ID: id, Source: e.Source, EventID: e.ID, EventType: e.Type, Body: body})

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return false, nil
	case err != nil:
		return false, err
	default:
		return true, b.stageWork(ctx, tx, id)
	}
}

// Replay has an event worked once more, by its id here, whatever became of it. [ErrErased]: it is too old for that;
// [ErrNotFound]: there is none. While its job lives, that is the one.
func (b *Inbox) Replay(ctx context.Context, id uuid.UUID) error {
	err := postgres.RetryTx(ctx, b.Pool, func(tx *postgres.Tx) error {
		erased, err := b.db.EventReplay(ctx, tx, id)

		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return ErrNotFound
		case err != nil:
			return err
		case erased:
			return ErrErased
		default:
			return b.stageWork(ctx, tx, id)
		}
	})
	if err != nil {
		return fmt.Errorf("replay event %s: %w", id, err)
	}

	return nil
}

// stageWork stages the job of an event; its key makes it the only live one.
func (b *Inbox) stageWork(ctx context.Context, tx *postgres.Tx, id uuid.UUID) error {
	_, err := b.Queue.Stage(ctx, tx, jobs.WorkInboxEvent{EventID: id}, durable.Key(id.String()))

	return err
}

// isName reports whether a text can be kept as a name of so many characters.
func isName(s string, most int) bool {
	if s == "" || !utf8.ValidString(s) || utf8.RuneCountInString(s) > most {
		return false
	}

	for _, r := range s {
		if r < ' ' || r == 0x7f {
			return false
		}
	}

	return true
}
