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
// transaction has it; [ErrMismatch]: it was used with another fingerprint.
//
// Age is judged by the database's clock, which also wrote created_at. A record of exactly
// Lifetime is too old.
func Begin(ctx context.Context, tx pgx.Tx, userID uuid.UUID, key string, fingerprint []byte) (*Record, error) {
	var mine bool

	err := tx.QueryRow(ctx, `select pg_try_advisory_xact_lock(hashtextextended($1::text || ':' || $2, 0))`, userID, key).Scan(&mine)
	if err != nil {
		return nil, fmt.Errorf("lock idempotency key: %w", err)
	}

	if !mine {
		return nil, ErrInFlight
	}

	var (
		r    Record
		seen []byte
	)

	err = tx.QueryRow(ctx, `select resource_id, status, fingerprint from idempotency_record
		where user_id = $1 and key = $2 and created_at > now() - $3::interval`,
		userID, key, Lifetime).Scan(&r.ResourceID, &r.Status, &seen)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil //nolint:nilnil // nil is the answer: nothing was recorded
	case err != nil:
		return nil, fmt.Errorf("read idempotency record: %w", err)
	case !bytes.Equal(seen, fingerprint):
		return nil, ErrMismatch
	}

	return &r, nil
}

// Finish records what the key now stands for, in the transaction that makes the resource and has
// claimed the key by [Begin]. A record that is still there is too old, or Begin would have found it:
// it is replaced.
func Finish(ctx context.Context, tx pgx.Tx, userID uuid.UUID, key string, fingerprint []byte, r Record) error {
	_, err := tx.Exec(ctx, `insert into idempotency_record (user_id, key, fingerprint, resource_id, status) values ($1, $2, $3, $4, $5)
		on conflict (user_id, key) do update set fingerprint = excluded.fingerprint, resource_id = excluded.resource_id,
			status = excluded.status, created_at = now()`,
		userID, key, fingerprint, r.ResourceID, r.Status)
	if err != nil {
		return fmt.Errorf("write idempotency record: %w", err)
	}

	return nil
}

// Execer is what Purge needs of a pool.
type Execer interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// Purge deletes records older than [Lifetime], at most batch of them, and returns how many.
func Purge(ctx context.Context, db Execer, now time.Time, batch int) (int64, error) {
	tag, err := db.Exec(ctx, `delete from idempotency_record where ctid = any (array(
		select ctid from idempotency_record where created_at < $1 limit $2))`, now.Add(-Lifetime), batch)
	if err != nil {
		return 0, fmt.Errorf("purge idempotency records: %w", err)
	}

	return tag.RowsAffected(), nil
}
