package generation_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
)

func background(s *generation.Submission) { s.Background = true }

// lined puts n generations of a user into the line.
func (b *bundle) lined(t *testing.T, user uuid.UUID, n int, edits ...func(*generation.Submission)) []uuid.UUID {
	t.Helper()

	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = b.submit(t, append(edits, func(s *generation.Submission) { s.UserID = user })...).ID
	}

	return ids
}

// turns gives out one slot after the other until nobody waits, and returns who got them, and with what.
func (b *bundle) turns(t *testing.T) (users, ids []uuid.UUID) {
	t.Helper()

	for {
		served := b.serve(t)
		if len(served) == 0 {
			return users, ids
		}

		var id uuid.UUID
		require.NoError(t, b.pool.QueryRow(t.Context(), `select id from ai_task where admitted_at = $1`, b.now.Now()).Scan(&id))

		users, ids = append(users, served...), append(ids, id)

		b.end(t)
	}
}

// What is in the background comes after all of its user's own, and others get their turns as if it were not.
func TestLane_ChangesOnesOwnOrderAlone(t *testing.T) {
	t.Parallel()

	ada, bob, eve := uuid.New(), uuid.New(), uuid.New()

	run := func(edits ...func(*generation.Submission)) (users, own []uuid.UUID, submitted [3][]uuid.UUID) {
		b := setup(t, func(o *generation.Options) { o.Slots = 1 })

		for user, plan := range map[uuid.UUID]string{ada: "pro", bob: "free", eve: "studio"} {
			_, err := b.pool.Exec(t.Context(), `insert into generation_user (user_id, plan) values ($1, $2)`, user, plan)
			require.NoError(t, err)
		}

		submitted[0] = b.lined(t, ada, 3, edits...)
		b.lined(t, bob, 4)
		submitted[1] = b.lined(t, ada, 2)
		b.lined(t, eve, 5, background) // all of hers: that is no lane
		submitted[2] = b.lined(t, ada, 2, edits...)

		users, ids := b.turns(t)
		for i, user := range users {
			if user == ada {
				own = append(own, ids[i])
			}
		}

		return users, own, submitted
	}

	plain, byAge, submitted := run()
	require.Equal(t, slices.Concat(submitted[0], submitted[1], submitted[2]), byAge)

	lanes, own, submitted := run(background)
	require.Equal(t, slices.Concat(submitted[1], submitted[0], submitted[2]), own)
	require.Equal(t, plain, lanes, "whose turn it is stays the same")
}

// It waits while its user keeps others waiting, and for no longer.
func TestLane_WaitsForItsUserAlone(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Slots = 1 })
	behind := b.submit(t, background).ID

	left := 3
	for range left {
		b.submit(t)
	}

	b.wait(t, b.somebody(t, "free"), 8)

	for left > 0 {
		require.NotNil(t, b.get(t, behind).QueuePosition, "it waits")

		if slices.Contains(b.serve(t), b.user) {
			left--
		}

		b.end(t)
	}

	turns := 0
	for ; b.get(t, behind).QueuePosition != nil; turns++ {
		b.serve(t)
		b.end(t)
	}

	require.LessOrEqual(t, turns, 3, "others do not keep it waiting: it has their user's turn")
}

// Its place is true, when it is submitted, alone or in a batch, and afterwards.
func TestLane_PlaceIsTrue(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *generation.Options) { o.Slots = 1 })

	answered := map[uuid.UUID]int{}
	place := func(edits ...func(*generation.Submission)) uuid.UUID {
		g := b.submit(t, edits...)
		require.Equal(t, b.get(t, g.ID).QueuePosition, g.QueuePosition)

		answered[g.ID] = *g.QueuePosition

		return g.ID
	}

	last := place(background)
	require.Equal(t, 0, answered[last])
	first := place()
	require.Equal(t, 0, answered[first], "before what is in the background")
	require.Equal(t, 2, answered[place(background)])

	outcomes := b.SubmitMany(t.Context(), b.user, many(b, 4, func(i int, s *generation.Submission) { s.Background = i%2 == 0 }))
	for i, o := range outcomes {
		require.NoError(t, o.Err)
		require.Equal(t, i%2 == 0, o.Background)
		require.Equal(t, []int{5, 1, 6, 2}[i], *o.QueuePosition)
		require.Equal(t, b.get(t, o.ID).QueuePosition, o.QueuePosition)
	}

	b.now.Move(2 * time.Second)
	require.Equal(t, 3, *b.get(t, last).QueuePosition, "behind three that are not in the background")

	_, ids := b.turns(t)
	require.Len(t, ids, 7)
	require.Equal(t, []uuid.UUID{first, outcomes[1].ID, outcomes[3].ID, last}, ids[:4])
	b.submit(t)
}

// How it waited is not what is asked for again.
func TestLane_IsNotInherited(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.submit(t, background)
	require.True(t, b.get(t, g.ID).Background)

	again, err := b.Remix(t.Context(), g.ID, generation.Submission{UserID: b.user}, false)
	require.NoError(t, err)
	require.False(t, b.get(t, again.ID).Background)

	again, err = b.Remix(t.Context(), g.ID, generation.Submission{UserID: b.user, Background: true}, false)
	require.NoError(t, err)
	require.True(t, b.get(t, again.ID).Background)
	b.check(t)
}
