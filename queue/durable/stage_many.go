package durable

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue"
)

// StageMany is [Queue.Stage] for many jobs at once: one COPY, whatever their number and kinds. The jobs are
// due at once and have no key. It returns their ids in the order of args. A few ten thousand at a time are
// quick; more should be several transactions.
func (q *Queue) StageMany(ctx context.Context, tx pgx.Tx, args ...queue.Args) ([]uuid.UUID, error) {
	if len(args) == 0 {
		return nil, nil
	}

	ids, tasks, data := make([]uuid.UUID, len(args)), make([]Task, len(args)), make([][]byte, len(args))

	for i, a := range args {
		kind := a.Kind()

		policy, ok := q.kinds.Policy(kind)
		if !ok {
			return nil, fmt.Errorf("stage %s: kind is not in the table of kinds", kind)
		}

		var err error
		if data[i], err = json.Marshal(a); err != nil {
			return nil, fmt.Errorf("stage %s: %w", kind, err)
		}

		if ids[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("stage %s: %w", kind, err)
		}

		tasks[i] = Task{ID: ids[i], Epoch: 1, Queue: policy.Queue, Kind: kind}
	}

	// The other columns have their defaults, which are times of the database.
	rows := pgx.CopyFromSlice(len(tasks), func(i int) ([]any, error) {
		return []any{[16]byte(tasks[i].ID), tasks[i].Kind, tasks[i].Queue, data[i]}, nil
	})

	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"job"}, []string{"id", "kind", "queue", "args"}, rows); err != nil {
		return nil, fmt.Errorf("stage %d jobs: %w", len(args), err)
	}

	queue.AfterCommit(tx, func() { q.offerTasks(tasks) })

	for _, t := range tasks {
		q.metrics.countEvent(t.Kind, t.Queue, eventStaged)
	}

	return ids, nil
}

// offerTasks hands jobs that are due to the background; what does not fit is the relay's.
func (q *Queue) offerTasks(tasks []Task) {
	for _, t := range tasks {
		q.offerPush(q.newPush(t, 0), false)
	}
}
