package durable

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue"
	"imagerun/queue/durable/db"
)

// StageMany is [Queue.Stage] for many jobs at once: one statement, whatever their number and
// kinds. The jobs are due at once and have no key. It returns their ids in the order of args.
// A few ten thousand at a time are quick; more should be several transactions.
func (q *Queue) StageMany(ctx context.Context, tx pgx.Tx, args ...queue.Args) ([]uuid.UUID, error) {
	if len(args) == 0 {
		return nil, nil
	}

	p := db.JobStageManyParams{
		Ids: make([]uuid.UUID, len(args)), Kinds: make([]string, len(args)),
		Queues: make([]string, len(args)), Args: make([][]byte, len(args)),
	}

	for i, a := range args {
		kind := a.Kind()

		policy, ok := q.kinds.Policy(kind)
		if !ok {
			return nil, fmt.Errorf("stage %s: kind is not in the table of kinds", kind)
		}

		var err error
		if p.Args[i], err = json.Marshal(a); err != nil {
			return nil, fmt.Errorf("stage %s: %w", kind, err)
		}

		if p.Ids[i], err = uuid.NewV7(); err != nil {
			return nil, fmt.Errorf("stage %s: %w", kind, err)
		}

		p.Kinds[i], p.Queues[i] = kind, policy.Queue
	}

	if err := q.db.JobStageMany(ctx, tx, p); err != nil {
		return nil, fmt.Errorf("stage %d jobs: %w", len(args), err)
	}

	if t, ok := tx.(interface{ AfterCommit(f func()) }); ok {
		t.AfterCommit(func() { q.offerMany(p) })
	}

	for i := range args {
		q.metrics.count(p.Kinds[i], p.Queues[i], eventStaged)
	}

	return p.Ids, nil
}

// offerMany hands jobs that are due to the background; what does not fit is the relay's.
func (q *Queue) offerMany(p db.JobStageManyParams) {
	for i, id := range p.Ids {
		q.offer(q.pushOf(Task{ID: id, Epoch: 1, Queue: p.Queues[i], Kind: p.Kinds[i]}, time.Time{}), false)
	}
}
