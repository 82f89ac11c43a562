package generation

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// stage stages a job in the transaction; its key makes it the only live one of its kind.
func (s *Service) stage(ctx context.Context, tx pgx.Tx, args queue.Args, key uuid.UUID, after time.Duration) error {
	opts := []durable.StageOption{durable.Key(jobKey(args.Kind(), key))}
	if after > 0 {
		opts = append(opts, durable.After(after))
	}

	_, err := s.Queue.Stage(ctx, tx, args, opts...)

	return err
}

func jobKey(kind string, id uuid.UUID) string { return kind + ":" + id.String() }

func notFound(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

// wrap says what was being done when err happened; nil stays nil.
func wrap(err error, doing string) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s: %w", doing, err)
}
