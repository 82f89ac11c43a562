package durable

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue/durable/db"
)

// Pause stops or resumes a queue: its jobs are kept and not begun. Jobs that run go on. The
// engine follows within seconds, through [Admin.Paused]. A queue that is so already is success.
func (a *Admin) Pause(ctx context.Context, queue, operator string, paused bool) error {
	if err := a.checkQueue(queue); err != nil {
		return err
	}

	if operator == "" {
		return fmt.Errorf("pause queue: %w operator", ErrUnknown)
	}

	return a.q.inTx(ctx, func(tx pgx.Tx) error {
		var (
			n      int64
			err    error
			action = "pause"
		)

		if paused {
			n, err = a.q.db.PauseAdd(ctx, tx, db.PauseAddParams{Queue: queue, Operator: operator})
		} else {
			action = "resume"
			n, err = a.q.db.PauseRemove(ctx, tx, queue)
		}

		if err == nil && n > 0 {
			err = a.q.db.AuditAdd(ctx, tx, db.AuditAddParams{
				Operator: operator, Action: action, Queue: &queue, JobIds: []uuid.UUID{},
			})
		}

		if err != nil {
			return fmt.Errorf("%s queue: %w", action, err)
		}

		return nil
	})
}

// Paused returns the paused queues, sorted.
func (a *Admin) Paused(ctx context.Context) ([]string, error) {
	queues, err := a.q.db.Paused(ctx, a.q.pool)
	if err != nil {
		return nil, fmt.Errorf("list paused queues: %w", err)
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

// committing is a transaction that can run something once it has been committed.
type committing struct {
	pgx.Tx

	after []func()
}

// AfterCommit has f run after the commit, and only if that is known to have happened.
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
