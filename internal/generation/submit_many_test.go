package generation_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/idempotency"
	"imagerun/internal/plan"
	"imagerun/internal/redact"
)

// many are n submissions of two pictures with keys of their own.
func many(b *bundle, n int, edits ...func(i int, s *generation.Submission)) []generation.Submission {
	subs := make([]generation.Submission, n)

	for i := range subs {
		subs[i] = submission(b, two)
		subs[i].IdempotencyKey, subs[i].Fingerprint = fmt.Sprint("key ", i), []byte("f")

		for _, edit := range edits {
			edit(i, &subs[i])
		}
	}

	return subs
}

// idsOf are the generations of outcomes, all of which must be some.
func idsOf(t *testing.T, outcomes []generation.Outcome) []uuid.UUID {
	t.Helper()

	ids := make([]uuid.UUID, len(outcomes))

	for i, o := range outcomes {
		require.NoError(t, o.Err, "submission %d", i)
		ids[i] = o.ID
	}

	return ids
}

// rich puts the bundle's user on the plan with the longest queue.
func (b *bundle) rich(t *testing.T) {
	t.Helper()
	b.submit(t)

	_, err := b.pool.Exec(t.Context(), `update generation_user set plan = 'studio' where user_id = $1`, b.user)
	require.NoError(t, err)
}

// A batch whose answer was lost is sent again: the same generations, set aside for once.
func TestSubmitMany_RepeatedWhole(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.rich(t)

	subs := many(b, 100)
	first := b.SubmitMany(t.Context(), b.user, subs)
	ids := idsOf(t, first)
	require.Equal(t, fortune-1-100*10, int(first[99].Balance.Available))

	again := b.SubmitMany(t.Context(), b.user, subs)
	require.Equal(t, ids, idsOf(t, again))

	for i := range again {
		require.Nil(t, first[i].Replay)
		require.Equal(t, ids[i], again[i].Replay.ResourceID)
		require.Equal(t, first[99].Balance, again[i].Balance)
	}

	// One alone is the same again, too.
	alone, err := b.Submit(t.Context(), subs[7])
	require.NoError(t, err)
	require.Equal(t, ids[7], alone.ID)

	repeats, err := b.Repeats(t.Context(), b.user, append(subs[:2:2], many(b, 1, func(_ int, s *generation.Submission) { s.IdempotencyKey = "new" })...))
	require.NoError(t, err)
	require.Equal(t, []bool{true, true, false}, repeats)

	// They stand in the order in which they came, and what is said of it is what a look says.
	for _, i := range []int{0, 24, 25, 99} { // also where one transaction ends and the next begins
		g := b.get(t, ids[i])
		require.Equal(t, i+1, *g.QueuePosition)
		require.Equal(t, g.QueuePosition, first[i].QueuePosition)
		require.Equal(t, g.Cost, first[i].Cost)
	}

	b.check(t)
}

// Each is judged as it stands after those before it, and one that is refused stops no other.
func TestSubmitMany_RefusedOneByOne(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.user = uuid.New()
	b.grant(t, b.user, credits.Grant{Source: credits.SourcePromotion, Reference: "promo:gone", Credits: 50, ExpiresAt: new(b.now.Now().Add(time.Minute))})
	b.grant(t, b.user, credits.Grant{Source: credits.SourcePack, Reference: "creem:1", Credits: 25})
	b.now.Move(time.Hour) // what has expired is booked by the first that is accepted, and once

	ready, absent := uuid.New(), uuid.New()
	b.references[ready] = generation.Reference{Key: "ref/" + ready.String(), Width: 640, Height: 480}

	outcomes := b.SubmitMany(t.Context(), b.user, many(b, 9, func(i int, s *generation.Submission) {
		switch i {
		case 0:
			s.NumImages = new(4) // which the plan forbids, or 20 credits are not there after it
			s.Model = "flux-dev"
			s.DeadlineSeconds = new(1)
		case 2:
			s.Reference = &catalogue.Reference{UploadID: absent}
		case 3:
			s.Model = "no-such-model"
		case 4:
			s.IdempotencyKey = "key 1" // that of another, and the same
		case 5:
			s.IdempotencyKey, s.Fingerprint = "key 1", []byte("another")
		case 7:
			s.NumImages = new(3) // 15, of which 5 are left
		case 8:
			s.Model, s.NumImages, s.Reference = "z-image-turbo", new(1), &catalogue.Reference{UploadID: ready}
		}
	}))

	var got []string

	for _, o := range outcomes {
		switch {
		case o.Err == nil:
			got = append(got, "accepted")
		case errors.Is(o.Err, credits.ErrInsufficient):
			got = append(got, "insufficient")
		case errors.Is(o.Err, idempotency.ErrMismatch):
			got = append(got, "mismatch")
		case errors.Is(o.Err, catalogue.ErrInvalid):
			got = append(got, "invalid")
		default:
			got = append(got, o.Err.Error())
		}
	}

	require.Equal(t, []string{"invalid", "accepted", "invalid", "invalid", "accepted", "mismatch", "accepted", "insufficient", "accepted"}, got)
	require.Equal(t, outcomes[1].ID, outcomes[4].ID)
	require.NotNil(t, outcomes[4].Replay)
	b.check(t)
}

// Of a batch in which none is accepted nothing stays, not even a user of whom nothing was known.
func TestSubmitMany_RefusedLeaveNothing(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.user = uuid.New()

	for _, o := range b.SubmitMany(t.Context(), b.user, many(b, 3)) {
		require.ErrorIs(t, o.Err, credits.ErrInsufficient)
	}

	var n int
	require.NoError(t, b.pool.QueryRow(t.Context(), `select (select count(*) from generation_user where user_id = $1)
		+ (select count(*) from ai_task where user_id = $1) + (select count(*) from idempotency_record where user_id = $1)`, b.user).Scan(&n))
	require.Zero(t, n)
}

// The queue of the plan is filled, and not more.
func TestSubmitMany_QueueFull(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.submit(t)

	depth, accepted := b.deps.Plans.Of(plan.Default).QueueDepth, 0

	for i, o := range b.SubmitMany(t.Context(), b.user, many(b, 100, func(_ int, s *generation.Submission) { s.Model, s.NumImages = "z-image-turbo", new(1) })) {
		if o.Err == nil {
			accepted++
			require.Equal(t, accepted, i+1, "the first ones")
		} else {
			require.ErrorIs(t, o.Err, generation.ErrQueueFull)
		}
	}

	require.Equal(t, depth-1, accepted)
	b.check(t)
}

// A key that another request has is refused alone.
func TestSubmitMany_InFlight(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.submit(t)

	first, err := b.pool.Begin(t.Context())
	require.NoError(t, err)

	_, err = idempotency.Begin(t.Context(), first, b.user, "key 1", []byte("f"))
	require.NoError(t, err)

	subs := many(b, 3)
	outcomes := b.SubmitMany(t.Context(), b.user, subs)
	require.ErrorIs(t, outcomes[1].Err, idempotency.ErrInFlight)
	require.NoError(t, first.Rollback(t.Context()))

	again := idsOf(t, b.SubmitMany(t.Context(), b.user, subs))
	require.Equal(t, []uuid.UUID{outcomes[0].ID, outcomes[2].ID}, []uuid.UUID{again[0], again[2]})
	b.check(t)
}

// The same batch comes twice at once, of a user of whom nothing was known: each key is one generation.
func TestSubmitMany_TwiceAtOnce(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.user = uuid.New()
	b.fund(t, b.user, fortune)

	subs := many(b, 8)

	var all sync.WaitGroup
	for range 4 {
		all.Go(func() { b.SubmitMany(t.Context(), b.user, subs) })
	}

	all.Wait()

	ids := idsOf(t, b.SubmitMany(t.Context(), b.user, subs))

	var stored []uuid.UUID
	require.NoError(t, b.pool.QueryRow(t.Context(), `select array_agg(id order by created_at) from ai_task where user_id = $1`, b.user).Scan(&stored))
	require.ElementsMatch(t, ids, stored)
	b.check(t)
}

// What only one of them brings about, such as a text that Postgres does not take, stops no other.
func TestSubmitMany_OneIsBeyondUs(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.submit(t)

	outcomes := b.SubmitMany(t.Context(), b.user, many(b, 4, func(i int, s *generation.Submission) {
		if i == 2 {
			s.Prompt = redact.NewPersonal("a red \x00 fox")
		}
	}))

	for i, o := range outcomes {
		require.Equal(t, i == 2, o.Err != nil, "submission %d: %v", i, o.Err)
	}

	b.check(t)
}

// The answer to a commit is lost. The caller is told so, and the same again finds what there is and accepts the rest.
func TestSubmitMany_CommitUnknown(t *testing.T) {
	t.Parallel()

	b, lost := setupLossy(t)
	subs := many(b, 60, func(_ int, s *generation.Submission) { s.Model, s.NumImages = "z-image-turbo", new(1) })

	lost.next(2) // of three transactions
	outcomes := b.SubmitMany(t.Context(), b.user, subs)

	unknown := slices.Collect(func(yield func(int) bool) {
		for i, o := range outcomes {
			if o.Err != nil && !yield(i) {
				return
			}
		}
	})
	require.Len(t, unknown, 25)
	require.Equal(t, 25, unknown[0])

	again := b.SubmitMany(t.Context(), b.user, subs)
	ids := idsOf(t, again)

	for i, o := range again {
		require.NotNil(t, o.Replay, "all were accepted")
		require.True(t, outcomes[i].Err != nil || outcomes[i].ID == ids[i])
	}

	var n int
	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from credit_hold where task_id = any($1)`, ids).Scan(&n))
	require.Equal(t, 60, n)
	b.check(t)
}

// A batch is a few round trips, whatever is in it.
func TestSubmitMany_RoundTrips(t *testing.T) {
	t.Parallel()

	cfg := devtest.Postgres(t).Config()
	trips := &tripCounter{}
	cfg.ConnConfig.Tracer = trips
	cfg.MaxConns = 1

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	b := setupOn(t, pool)
	b.fund(t, b.user, fortune)
	b.rich(t)
	trips.take()

	idsOf(t, b.SubmitMany(t.Context(), b.user, many(b, 100)))

	sent := trips.take()
	require.LessOrEqual(t, len(sent), 4*3+2, "three a transaction: keys; the user; the rows. %q", sent)
}
