package intake

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation/db"
	"imagerun/internal/idempotency"
	"imagerun/internal/postgres"
	"imagerun/internal/user"
)

var (
	errNoUser = errors.New("nothing is known of the user")
	errReplay = errors.New("it repeats an earlier request")
)

// lockSubmitter takes the locks that an order is accepted under, in this order: its idempotency key, the
// user, their balance. With them it reads all that the answer depends on, in one round trip; only a
// reference needs another, since a replay has no use for it.
//
// With errReplay and errNoUser the transaction has locks that it must not keep: it is rolled back.
func (s *Intake) lockSubmitter(ctx context.Context, tx pgx.Tx, o *order, found **idempotency.Record) error {
	batch := &pgx.Batch{}

	if o.IdempotencyKey != "" {
		idempotency.Queue(batch, o.UserID, o.IdempotencyKey, o.Fingerprint, found)
	}

	if o.Reference != nil {
		if err := sendReads(ctx, tx, batch, found); err != nil {
			return err
		}

		if err := s.findReference(ctx, tx, o, s.References.UseReference); err != nil {
			return err
		}

		batch = &pgx.Batch{}
	}

	queueUser(batch, o)
	o.funds = s.Credits.Lock(batch, o.UserID)

	if err := sendReads(ctx, tx, batch, found); err != nil {
		return err
	}

	if o.share.Ref == "" {
		return errNoUser
	}

	return nil
}

// sendReads sends a batch. If it finds an earlier request, nothing else that it reads counts.
func sendReads(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, found **idempotency.Record) error {
	if batch.Len() == 0 {
		return nil
	}

	err := tx.SendBatch(ctx, batch).Close()
	if *found != nil {
		return errReplay
	}

	return err
}

// queueUser queues what has one submit of a user at a time, and reads how the user stands. Without a row
// of theirs it reads nothing.
func queueUser(batch *pgx.Batch, o *order) {
	share := &o.share
	scan := func(row pgx.Row, dest ...any) error {
		if err := row.Scan(dest...); err != nil && !postgres.IsNotFound(err) {
			return fmt.Errorf("find user %s: %w", o.UserID, err)
		}

		return nil
	}

	if o.newUser {
		user.QueueEnsure(batch, o.UserID)
	}

	user.QueueLock(batch, o.UserID, &share.Ref)
	batch.Queue(db.TaskCountWaiting, o.UserID, o.model.Provider).QueryRow(func(row pgx.Row) error { return scan(row, &share.Waiting, &share.Normal) })
	batch.Queue(db.AdmissionHeld, o.model.Provider, o.UserID).QueryRow(func(row pgx.Row) error {
		return scan(row, &share.Plan, &share.Pass, &share.Provider, &share.Own)
	})
}
