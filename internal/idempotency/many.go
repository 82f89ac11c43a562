package idempotency

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Request is one that has a key.
type Request struct {
	Key         string
	Fingerprint []byte
}

// Claim is what [Begin] says of a request: the record of an earlier one, or why it may not be handled, or neither.
type Claim struct {
	Found *Record
	Err   error
}

// BeginMany is [Begin] for several requests of one user, with a key each. A key that another transaction has is refused to
// its request alone: the others go on, and so may the transaction.
func BeginMany(ctx context.Context, tx pgx.Tx, userID uuid.UUID, requests []Request) ([]Claim, error) {
	var (
		batch  = &pgx.Batch{}
		claims = make([]Claim, len(requests))
		keys   = keysOf(requests)
	)

	// As idempotency_lock has it, but that it says no instead of failing.
	batch.Queue(`select pg_try_advisory_xact_lock(hashtextextended($1::uuid::text || ':' || k.key, 0))
		from unnest($2::text[]) with ordinality k (key, n) order by k.n`, userID, keys).Query(func(rows pgx.Rows) error {
		locked, err := pgx.CollectRows(rows, pgx.RowTo[bool])
		for i, ok := range locked {
			if !ok {
				claims[i].Err = ErrInFlight
			}
		}

		return wrapMany(err, "lock idempotency keys")
	})

	records := queueRecords(batch, userID, keys)

	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}

	for i, r := range requests {
		if claims[i].Err == nil {
			claims[i] = records.matchRecord(r)
		}
	}

	return claims, nil
}

// Sender is what [Repeats] needs of a pool.
type Sender interface {
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

// Repeats reports which requests repeat one that has been handled. It claims nothing: one that is none may be when its key is claimed.
func Repeats(ctx context.Context, db Sender, userID uuid.UUID, requests []Request) ([]bool, error) {
	batch := &pgx.Batch{}
	records := queueRecords(batch, userID, keysOf(requests))

	if err := db.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}

	repeats := make([]bool, len(requests))
	for i, r := range requests {
		repeats[i] = records.matchRecord(r).Found != nil
	}

	return repeats, nil
}

// stored is the records of some keys.
type stored map[string]storedRecord

type storedRecord struct {
	Record

	fingerprint []byte
}

// queueRecords queues what reads the records of keys; they are there when the batch has been sent.
func queueRecords(batch *pgx.Batch, userID uuid.UUID, keys []string) stored {
	records := stored{}

	batch.Queue(`select key, resource_id, status, fingerprint from idempotency_record
		where user_id = $1 and key = any($2) and created_at > now() - $3::interval`, userID, keys, Lifetime).Query(func(rows pgx.Rows) error {
		var (
			key string
			r   storedRecord
		)

		_, err := pgx.ForEachRow(rows, []any{&key, &r.ResourceID, &r.Status, &r.fingerprint}, func() error {
			r.fingerprint = bytes.Clone(r.fingerprint)
			records[key] = r

			return nil
		})

		return wrapMany(err, "read idempotency records")
	})

	return records
}

// matchRecord judges a request by the record of its key.
func (s stored) matchRecord(r Request) Claim {
	found, ok := s[r.Key]

	switch {
	case !ok:
		return Claim{}
	case !bytes.Equal(found.fingerprint, r.Fingerprint):
		return Claim{Err: ErrMismatch}
	default:
		return Claim{Found: &found.Record}
	}
}

func keysOf(requests []Request) []string {
	keys := make([]string, len(requests))
	for i, r := range requests {
		keys[i] = r.Key
	}

	return keys
}

func wrapMany(err error, doing string) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("%s: %w", doing, err)
}
