package idempotency_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/idempotency"
	"imagerun/internal/postgres"
)

type bundle struct {
	pool *pgxpool.Pool
	user uuid.UUID
}

func setup(t *testing.T) *bundle {
	t.Helper()

	return &bundle{pool: devtest.Postgres(t), user: uuid.New()}
}

// once does what a request with a key does: claim it, and record the resource when it is the first.
func (b *bundle) once(ctx context.Context, user uuid.UUID, key, print string, resource uuid.UUID) (*idempotency.Record, error) {
	var found *idempotency.Record

	err := postgres.InTx(ctx, b.pool, func(tx *postgres.Tx) error {
		var err error

		found, err = idempotency.Begin(ctx, tx, user, key, []byte(print))
		if err != nil || found != nil {
			return err
		}

		return idempotency.Finish(ctx, tx, user, key, []byte(print), idempotency.Record{ResourceID: resource, Status: http.StatusAccepted})
	})

	return found, err
}

func (b *bundle) age(t *testing.T, key string, by time.Duration) {
	t.Helper()

	tag, err := b.pool.Exec(t.Context(), `update idempotency_record set created_at = now() - $2::interval where key = $1`, key, by)
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())
}

func TestBegin(t *testing.T) {
	t.Parallel()

	t.Run("FirstFindsNothing", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		found, err := b.once(t.Context(), b.user, "k", "print", uuid.New())
		require.NoError(t, err)
		require.Nil(t, found)
	})

	t.Run("ReplayFindsTheRecord", func(t *testing.T) {
		t.Parallel()

		b, resource := setup(t), uuid.New()

		_, err := b.once(t.Context(), b.user, "k", "print", resource)
		require.NoError(t, err)

		found, err := b.once(t.Context(), b.user, "k", "print", uuid.New())
		require.NoError(t, err)
		require.Equal(t, &idempotency.Record{ResourceID: resource, Status: http.StatusAccepted}, found)
	})

	t.Run("OtherRequestIsAMismatch", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		_, err := b.once(t.Context(), b.user, "k", "print", uuid.New())
		require.NoError(t, err)

		_, err = b.once(t.Context(), b.user, "k", "another", uuid.New())
		require.ErrorIs(t, err, idempotency.ErrMismatch)
	})

	t.Run("AnotherUserHasTheirOwnKeys", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		_, err := b.once(t.Context(), b.user, "k", "print", uuid.New())
		require.NoError(t, err)

		found, err := b.once(t.Context(), uuid.New(), "k", "another", uuid.New())
		require.NoError(t, err)
		require.Nil(t, found)
	})

	t.Run("InFlightUntilTheFirstEnds", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		first, err := b.pool.Begin(t.Context())
		require.NoError(t, err)

		_, err = idempotency.Begin(t.Context(), first, b.user, "k", []byte("print"))
		require.NoError(t, err)

		_, err = b.once(t.Context(), b.user, "k", "print", uuid.New())
		require.ErrorIs(t, err, idempotency.ErrInFlight)

		_, err = b.once(t.Context(), b.user, "another", "print", uuid.New())
		require.NoError(t, err, "another key is not held up")

		// The first ends without a resource: it burned nothing.
		require.NoError(t, first.Rollback(t.Context()))

		found, err := b.once(t.Context(), b.user, "k", "print", uuid.New())
		require.NoError(t, err)
		require.Nil(t, found)
	})

	t.Run("ARefusedRequestBurnsNothing", func(t *testing.T) {
		t.Parallel()

		b, refusal := setup(t), errors.New("refused")

		err := postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
			require.NoError(t, idempotency.Finish(t.Context(), tx, b.user, "k", []byte("print"), idempotency.Record{Status: http.StatusAccepted}))

			return refusal
		})
		require.ErrorIs(t, err, refusal)

		found, err := b.once(t.Context(), b.user, "k", "another", uuid.New())
		require.NoError(t, err)
		require.Nil(t, found)
	})

	t.Run("AnOldRecordIsAbsentAndReplaced", func(t *testing.T) {
		t.Parallel()

		b, second := setup(t), uuid.New()

		_, err := b.once(t.Context(), b.user, "k", "print", uuid.New())
		require.NoError(t, err)
		b.age(t, "k", idempotency.Lifetime)

		found, err := b.once(t.Context(), b.user, "k", "another", second)
		require.NoError(t, err, "the fingerprint of an old record does not count")
		require.Nil(t, found)

		found, err = b.once(t.Context(), b.user, "k", "another", uuid.New())
		require.NoError(t, err)
		require.Equal(t, second, found.ResourceID)
	})

	t.Run("AlmostOldIsRemembered", func(t *testing.T) {
		t.Parallel()

		b, resource := setup(t), uuid.New()

		_, err := b.once(t.Context(), b.user, "k", "print", resource)
		require.NoError(t, err)
		b.age(t, "k", idempotency.Lifetime-time.Minute)

		found, err := b.once(t.Context(), b.user, "k", "print", uuid.New())
		require.NoError(t, err)
		require.Equal(t, resource, found.ResourceID)
	})
}

func TestPurge(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for _, key := range []string{"old-1", "old-2", "old-3", "young"} {
		_, err := b.once(t.Context(), b.user, key, "print", uuid.New())
		require.NoError(t, err)

		if key != "young" {
			b.age(t, key, idempotency.Lifetime+time.Hour)
		}
	}

	records := idempotency.NewRecords(b.pool, time.Now)

	for _, want := range []int{2, 1, 0} {
		n, err := records.Purge(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}

	found, err := b.once(t.Context(), b.user, "young", "print", uuid.New())
	require.NoError(t, err)
	require.NotNil(t, found)
}
