package task

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// Stage stages a job in the transaction; its key makes it the only live one of its kind.
func (s *Tasks) Stage(ctx context.Context, tx pgx.Tx, args queue.Args, key uuid.UUID, after time.Duration) error {
	opts := []durable.StageOption{durable.Key(JobKey(args.Kind(), key))}
	if after > 0 {
		opts = append(opts, durable.After(after))
	}

	_, err := s.Queue.Stage(ctx, tx, args, opts...)

	return err
}

// JobKey is the key of the one live job of a kind about an id.
func JobKey(kind string, id uuid.UUID) string { return kind + ":" + id.String() }

// Wake has a job of a kind about an id run now, if there is one that waits.
func (s *Tasks) Wake(ctx context.Context, tx pgx.Tx, kind string, id uuid.UUID) error {
	return s.Queue.Wake(ctx, tx, kind, JobKey(kind, id))
}
