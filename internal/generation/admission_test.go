package generation_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
)

// somebody makes a user of a plan.
func (b *bundle) somebody(t *testing.T, plan string) uuid.UUID {
	t.Helper()

	id := uuid.New()
	_, err := b.pool.Exec(t.Context(), `insert into generation_user (user_id, plan) values ($1, $2)`, id, plan)
	require.NoError(t, err)
	b.fund(t, id, fortune)

	return id
}

// wait puts tasks of a user into the line and returns their ids, the oldest first.
func (b *bundle) wait(t *testing.T, user uuid.UUID, n int) []uuid.UUID {
	t.Helper()

	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = b.submit(t, func(s *generation.Submission) { s.UserID = user }).ID
	}

	return ids
}

// serve admits and returns who got turns, in the order in which the line moved on.
func (b *bundle) serve(t *testing.T) []uuid.UUID {
	t.Helper()

	b.now.Move(time.Second)

	_, err := b.Admit(t.Context(), "fal")
	require.NoError(t, err)

	rows, err := b.pool.Query(t.Context(), `select user_id from ai_task where admitted_at = $1 order by created_at`, b.now.Now())
	require.NoError(t, err)

	var users []uuid.UUID

	for rows.Next() {
		var id uuid.UUID

		require.NoError(t, rows.Scan(&id))
		users = append(users, id)
	}

	require.NoError(t, rows.Err())

	return users
}

// end finishes everything that was admitted, but for one provider slot at a time it is one.
func (b *bundle) end(t *testing.T) {
	t.Helper()

	_, err := b.pool.Exec(t.Context(), `update ai_task set status = 'failed', finished_at = now() where admitted_at is not null and finished_at is null`)
	require.NoError(t, err)
}

// One slot becomes free at a time, so that nothing but what is remembered of a user tells whose
// turn it is.
func TestAdmit_TurnsAreByWeight(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Slots = 1 })
	pro, free := b.somebody(t, "pro"), b.somebody(t, "free") // weights 3 and 1
	b.wait(t, free, 8)
	b.wait(t, pro, 24)

	got := map[uuid.UUID]int{}

	for n := 1; n <= 24; n++ {
		served := b.serve(t)
		require.Len(t, served, 1, "a slot is free and somebody waits")

		got[served[0]]++
		b.end(t)

		require.InDelta(t, float64(n)/4, got[free], 1, "after %d turns", n)
	}

	require.Equal(t, 6, got[free])

	// Somebody new is next, or nearly: not behind everything that others have waiting.
	late := b.somebody(t, "free")
	b.wait(t, late, 1)

	for n := 0; ; n++ {
		require.LessOrEqual(t, n, 2)

		served := b.serve(t)
		b.end(t)

		if slices.Contains(served, late) {
			break
		}
	}
}

// Slots of a plan bound what one user has in progress, and leave what they cannot use to others.
func TestAdmit_LeavesNoSlotEmpty(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Slots = 5 })
	free, pro := b.somebody(t, "free"), b.somebody(t, "pro") // 2 and 8 slots
	b.wait(t, free, 10)
	require.Len(t, b.serve(t), 2, "a plan's slots")

	b.wait(t, pro, 10)
	require.Equal(t, []uuid.UUID{pro, pro, pro}, b.serve(t))
	require.Empty(t, b.serve(t), "the provider's slots")

	b.end(t)
	require.Len(t, b.serve(t), 5)
}

// What the service says of places is what admission then does, while nobody comes or goes.
func TestQueuePosition_IsTrue(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Slots = 1 })

	type waits struct{ user, id uuid.UUID }

	var all []waits

	for i, plan := range []string{"pro", "free", "studio", "free"} {
		user := b.somebody(t, plan)
		for _, id := range b.wait(t, user, 3+2*i) {
			all = append(all, waits{user, id})
		}
	}

	b.serve(t) // now everybody has their place in the line
	b.end(t)

	for left := len(all) - 1; left > 0; left-- {
		b.now.Move(2 * time.Second)

		places := map[int]uuid.UUID{}

		for _, w := range all {
			g, err := b.Get(t.Context(), w.user, w.id)
			require.NoError(t, err)

			if g.QueuePosition != nil {
				places[*g.QueuePosition] = w.id
			}
		}

		require.Len(t, places, left, "places are 0…n−1, each once")

		for n := range left {
			require.Contains(t, places, n)
		}

		b.serve(t)

		var first bool

		require.NoError(t, b.pool.QueryRow(t.Context(), `select admitted_at is not null from ai_task where id = $1`, places[0]).Scan(&first))
		require.True(t, first, "the first in line was admitted")
		b.end(t)
	}
}

// Who only waits for a model that fails is in nobody's way, and is told no place.
func TestQueuePosition_SkipsWhoWaitsForAShutModel(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Slots = 1 })
	b.wait(t, b.somebody(t, "free"), 1)
	require.Len(t, b.serve(t), 1) // the slot is taken

	stuck := b.submit(t, func(s *generation.Submission) { s.Model = "flux-dev" })
	spared := b.submit(t, func(s *generation.Submission) {
		s.Model, s.FallbackModels = "flux-dev", []string{"z-image-turbo"}
	})
	b.now.Move(2 * time.Second)
	require.Equal(t, 1, *b.get(t, spared.ID).QueuePosition)

	_, err := b.pool.Exec(t.Context(), `insert into model_breaker (model, failures, opened_at) values ('flux-dev', 5, $1)`, b.now.Now())
	require.NoError(t, err)
	b.now.Move(2 * time.Second)

	require.Nil(t, b.get(t, stuck.ID).QueuePosition)
	require.Equal(t, 0, *b.get(t, spared.ID).QueuePosition)

	other := b.submit(t, func(s *generation.Submission) { s.UserID = b.somebody(t, "free") })
	b.now.Move(2 * time.Second)

	g, err := b.Get(t.Context(), other.UserID, other.ID)
	require.NoError(t, err)
	require.Equal(t, 1, *g.QueuePosition)
}

// Up to a hundred thousand wait: a place is told without numbering them for each who asks.
func TestQueuePosition_ALongLineIsReadOnceASecond(t *testing.T) {
	t.Parallel()

	perUser := 50
	if os.Getenv("IMAGERUN_PROVE") != "" {
		perUser = 500
	}

	b := setup(t)
	g := b.submit(t)

	_, err := b.pool.Exec(t.Context(), fmt.Sprintf(`
		with u as (insert into generation_user (user_id) select gen_random_uuid() from generate_series(1, 200) returning user_id)
		insert into ai_task (user_id, provider, model, catalogue_hash, prompt, parameters, support_code, created_at, deadline_at)
		select u.user_id, 'fal', 'z-image-turbo', '', 'x', '{}', gen_random_uuid(), $1::timestamptz - interval '1 hour', $1::timestamptz + interval '1 day'
		from u cross join generate_series(1, %d)`, perUser), b.now.Now())
	require.NoError(t, err)

	b.now.Move(2 * time.Second)
	require.NotNil(t, b.get(t, g.ID).QueuePosition)

	_, err = b.pool.Exec(t.Context(), `update ai_task set status = 'failed', finished_at = now() where prompt = 'x'`)
	require.NoError(t, err)
	require.Positive(t, *b.get(t, g.ID).QueuePosition, "what was read a moment ago serves")

	b.now.Move(2 * time.Second)
	require.Zero(t, *b.get(t, g.ID).QueuePosition)
}
