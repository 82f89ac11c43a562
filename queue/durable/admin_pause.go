package durable

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue"
	"imagerun/queue/durable/db"
)

// reasonPattern keeps what an operator may have typed of a person out: there is no "@" in it.
var reasonPattern = regexp.MustCompile(`^[\pL\pN .,:;#/_()-]{0,100}$`)

// ErrReason answers for a reason that could hold more than it should.
var ErrReason = errors.New("a reason has up to 100 letters, digits, spaces and .,:;#/_()-")

// Pause is a queue that is not worked: its jobs are kept and not begun, and those that run go on.
type Pause struct {
	Queue    string     `json:"queue"`
	Operator string     `json:"operator"`
	Reason   string     `json:"reason,omitempty"` // ids and words; never about a person
	Since    time.Time  `json:"since"`
	Until    *time.Time `json:"until,omitempty"` // nil: until an operator resumes it
}

// Pause stops a queue; the engine follows within seconds, through [Admin.Paused]. For how long: zero is until
// [Admin.Resume]. A queue that is paused already gets the new reason and end, if one is given.
func (a *Admin) Pause(ctx context.Context, p Pause, how time.Duration) error {
	return a.changePause(ctx, p, "pause", func(tx pgx.Tx, reason *string) (int64, error) {
		add := db.PauseAddParams{Queue: p.Queue, Operator: p.Operator, Reason: reason}
		if how > 0 {
			add.Seconds = new(how.Seconds())
		}

		return a.q.db.PauseAdd(ctx, tx, add)
	})
}

// Resume works a paused queue again. One that is not paused is success.
func (a *Admin) Resume(ctx context.Context, queue, operator string) error {
	return a.changePause(ctx, Pause{Queue: queue, Operator: operator}, "resume", func(tx pgx.Tx, _ *string) (int64, error) {
		return a.q.db.PauseRemove(ctx, tx, queue)
	})
}

func (a *Admin) changePause(ctx context.Context, p Pause, action string, do func(tx pgx.Tx, reason *string) (int64, error)) error {
	if err := a.checkQueue(p.Queue); err != nil {
		return err
	}

	if p.Operator == "" {
		return fmt.Errorf("%s queue: %w operator", action, ErrUnknown)
	}

	if !reasonPattern.MatchString(p.Reason) {
		return fmt.Errorf("%s queue: %w", action, ErrReason)
	}

	var reason *string
	if p.Reason != "" {
		reason = &p.Reason
	}

	return a.q.inTx(ctx, func(tx pgx.Tx) error {
		n, err := do(tx, reason)
		if err == nil && n > 0 {
			err = a.q.db.AuditAdd(ctx, tx, db.AuditAddParams{
				Operator: p.Operator, Action: action, Queue: &p.Queue, Reason: reason, JobIds: []uuid.UUID{},
			})
		}

		if err != nil {
			return fmt.Errorf("%s queue: %w", action, err)
		}

		return nil
	})
}

// Pauses returns the paused queues with the operators who paused them and why, sorted.
func (a *Admin) Pauses(ctx context.Context) ([]Pause, error) {
	rows, err := a.q.db.Pauses(ctx, a.q.pool)
	if err != nil {
		return nil, fmt.Errorf("list paused queues: %w", err)
	}

	pauses := make([]Pause, len(rows))
	for i, r := range rows {
		pauses[i] = Pause{Queue: r.Queue, Operator: r.Operator, Since: r.PausedAt, Until: r.Until}
		if r.Reason != nil {
			pauses[i].Reason = *r.Reason
		}
	}

	return pauses, nil
}

// Paused returns the paused queues, sorted.
func (a *Admin) Paused(ctx context.Context) ([]string, error) {
	pauses, err := a.Pauses(ctx)
	queues := make([]string, len(pauses))

	for i, p := range pauses {
		queues[i] = p.Queue
	}

	return queues, err
}

// EndPauses resumes the queues whose pause is over, and returns them.
func (a *Admin) EndPauses(ctx context.Context) ([]string, error) {
	queues, err := a.q.db.PauseEnd(ctx, a.q.pool)
	if err != nil {
		return nil, fmt.Errorf("end pauses: %w", err)
	}

	return queues, nil
}

// Queues returns every queue, sorted.
func (a *Admin) Queues() []string { return a.q.kinds.Queues() }

func (a *Admin) checkQueue(name string) error {
	if !slices.Contains(a.q.kinds.Queues(), name) {
		return fmt.Errorf("%w queue %q", ErrUnknown, name)
	}

	return nil
}

// committing is a transaction that tells of its commit.
type committing struct {
	pgx.Tx

	after []func()
}

var _ queue.AfterCommitter = (*committing)(nil)

// AfterCommit implements [queue.AfterCommitter].
func (c *committing) AfterCommit(f func()) { c.after = append(c.after, f) }

func (q *Queue) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	var c committing

	err := pgx.BeginFunc(ctx, q.pool, func(tx pgx.Tx) error {
		c.Tx = tx

		return fn(&c)
	})
	if err != nil {
		return err
	}

	for _, f := range c.after {
		f()
	}

	return nil
}
