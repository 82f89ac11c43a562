// Package idempotency makes a repeated request answer as the first one did.
//
// A record is written in the transaction of the resource it is about, so the two cannot
// disagree; it holds {fingerprint, resource id, status} and no body: a replay renders the
// resource again. While the first request is in flight its transaction holds an advisory lock.
// Records live 24 hours (draft-ietf-httpapi-idempotency-key-header-07 §2.3 leaves it to us).
package idempotency

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"imagerun/internal/fault"
	"imagerun/internal/postgres"
)

// Lifetime is how long a key is remembered.
const Lifetime = 24 * time.Hour

// The refusals.
var (
	ErrInFlight = fault.New(fault.Conflict, "idempotency_in_flight",
		"A request with this Idempotency-Key is still being handled. Repeat it in a moment.").WithRetryAfter(time.Second)
	ErrMismatch = fault.New(fault.Invalid, "idempotency_mismatch",
		"This Idempotency-Key was used before with another request. Use a new key for a new request.")
)

// Record is what a key stands for.
type Record struct {
	ResourceID uuid.UUID
	Status     int // HTTP status of the first answer
}

// Begin claims key for this transaction and returns the record of an earlier request, or nil
// when this is the first or the earlier one is older than [Lifetime]. [ErrInFlight]: another
// transaction has it, and this one has failed; [ErrMismatch]: it was used with another fingerprint.
//
// Age is judged by the database's clock, which also wrote created_at. A record of exactly
// Lifetime is too old.
func Begin(ctx context.Context, tx pgx.Tx, userID uuid.UUID, key string, fingerprint []byte) (found *Record, err error) {
	batch := &pgx.Batch{}
	Queue(batch, userID, key, fingerprint, &found)
	err = tx.SendBatch(ctx, batch).Close()

	return found, err
}

// inUse is the SQLSTATE of idempotency_lock for a key that another transaction has.
const inUse = "IK001"

// Queue is [Begin] in a batch of its transaction: found and the error are there when that has been sent.
// The record is looked for by a statement of its own: one that also took the lock might not see what
// the request that had it until then has committed.
//
// Where another transaction has the key the statement fails. So Postgres does nothing of what is
// behind it in the batch, which may be to wait for a lock of that very transaction. What is behind a record that
// was found is done; the caller rolls it back.
func Queue(batch *pgx.Batch, userID uuid.UUID, key string, fingerprint []byte, found **Record) {
	lock := batch.Queue(`select idempotency_lock($1, $2)`, userID, key)
	lock.QueryRow(func(row pgx.Row) error {
		err := row.Scan(nil)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == inUse {
			return ErrInFlight
		}

		if err != nil {
			return fmt.Errorf("lock idempotency key: %w", err)
		}

		return nil
	})

	look := batch.Queue(`select resource_id, status, fingerprint from idempotency_record
		where user_id = $1 and key = $2 and created_at > now() - $3::interval`, userID, key, Lifetime)
	look.QueryRow(func(row pgx.Row) error {
		var (
			r    Record
			seen []byte
		)

		err := row.Scan(&r.ResourceID, &r.Status, &seen)

		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return nil
		case err != nil:
			return fmt.Errorf("read idempotency record: %w", err)
		case !bytes.Equal(seen, fingerprint):
			return ErrMismatch
		}

		*found = &r

		return nil
	})
}

// Finish records what the key now stands for, in the transaction that makes the resource and has
// claimed the key by [Begin], once that sends something else or commits. A record that is still there is too old, or Begin would have found it:
// it is replaced.
func Finish(ctx context.Context, tx pgx.Tx, userID uuid.UUID, key string, fingerprint []byte, r Record) error {
	_, err := postgres.Later(tx).Exec(ctx, `insert into idempotency_record (user_id, key, fingerprint, resource_id, status) values ($1, $2, $3, $4, $5)
		on conflict (user_id, key) do update set fingerprint = excluded.fingerprint, resource_id = excluded.resource_id,
			status = excluded.status, created_at = now()`,
		userID, key, fingerprint, r.ResourceID, r.Status)
	if err != nil {
		return fmt.Errorf("write idempotency record: %w", err)
	}

	return nil
}
