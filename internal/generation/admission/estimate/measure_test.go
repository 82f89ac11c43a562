package estimate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation/admission/estimate"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// measured inserts n generations of a kind that took so long each, the last ending at end.
func measured(t *testing.T, pool *pgxpool.Pool, k estimate.Kind, n int, took time.Duration, end time.Time) {
	t.Helper()

	user := uuid.New()
	_, err := pool.Exec(t.Context(), `insert into generation_user (user_id) values ($1)`, user)
	require.NoError(t, err)

	_, err = pool.Exec(t.Context(), `
		insert into ai_task (user_id, provider, status, model, catalogue_hash, prompt, parameters, support_code, deadline_at, admitted_at, finished_at)
		select $1, 'fal', 'succeeded', $2, '', '', $3, gen_random_uuid()::text, $5::timestamptz, $5::timestamptz - $4::interval - n * interval '1 ms', $5::timestamptz - n * interval '1 ms'
		from generate_series(0, $6::integer - 1) n`,
		user, k.Model, fmt.Sprintf(`{"quality": %q, "num_images": %d}`, k.Quality, k.Images), took, end, n)
	require.NoError(t, err)
}

// A kind's own times count where there are enough, then those of its quality, then its model's.
func TestTypical(t *testing.T) {
	t.Parallel()

	pool, now := devtest.Postgres(t), time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	for k, took := range map[estimate.Kind]time.Duration{
		{Model: "a", Quality: "draft", Images: 1}: 2 * time.Second,
		{Model: "a", Quality: "high", Images: 1}:  20 * time.Second,
		{Model: "a", Quality: "high", Images: 4}:  40 * time.Second,
	} {
		measured(t, pool, k, 5, took, now)
	}

	measured(t, pool, estimate.Kind{Model: "a", Quality: "draft", Images: 4}, 4, 3*time.Second, now) // too few
	measured(t, pool, estimate.Kind{Model: "b", Quality: "draft", Images: 1}, 4, time.Second, now)   // too few in all
	measured(t, pool, estimate.Kind{Model: "c", Quality: "draft", Images: 1}, 9, time.Second, now.Add(-25*time.Hour))

	typical, err := estimate.New(pool, []string{"a", "b", "c"}, func() time.Time { return now }).Typical(t.Context())
	require.NoError(t, err)

	for k, want := range map[estimate.Kind]time.Duration{
		{Model: "a", Quality: "draft", Images: 1}:    2 * time.Second,
		{Model: "a", Quality: "high", Images: 1}:     20 * time.Second,
		{Model: "a", Quality: "high", Images: 4}:     40 * time.Second,
		{Model: "a", Quality: "high", Images: 2}:     30 * time.Second, // the median of all of high quality
		{Model: "a", Quality: "draft", Images: 4}:    2 * time.Second,
		{Model: "a", Quality: "standard", Images: 1}: 20 * time.Second, // of all
	} {
		got, ok := typical.Of(k)
		require.True(t, ok, k)
		require.Equal(t, want, got, k)
	}

	for _, model := range []string{"b", "c", "none"} {
		_, ok := typical.Of(estimate.Kind{Model: model, Quality: "draft", Images: 1})
		require.False(t, ok, model)
	}
}
