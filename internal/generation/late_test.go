package generation_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/jobs"
	"imagerun/internal/providers"
)

// lost starts a generation whose submit was not answered, and which no search can find.
func lost(t *testing.T, b *bundle) generation.Generation {
	t.Helper()

	b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown} }
	g := b.start(t)
	require.Len(t, b.provider.requests, 1)

	b.provider.failed["request-a"] = &providers.Error{Class: providers.Gone} // not ours, for all that the search can tell
	b.provider.reply = nil

	return g
}

// answeredLate starts a generation whose submit is answered only after something else has happened.
func answeredLate(t *testing.T, b *bundle, happens func()) {
	t.Helper()

	b.submit(t)
	b.provider.reply = func() error {
		b.provider.mu.Unlock()
		defer b.provider.mu.Lock()

		b.provider.reply = nil
		b.provider.failed["request-a"] = &providers.Error{Class: providers.Gone}

		happens()

		return nil
	}
	b.admit(t)
}

// waitLocked waits until a statement of the database waits for a lock.
func waitLocked(t *testing.T, b *bundle) {
	t.Helper()

	require.Eventually(t, func() (waiting bool) {
		require.NoError(t, b.pool.QueryRow(t.Context(), `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waiting))

		return waiting
	}, 10*time.Second, 10*time.Millisecond)
}

// remembered is how many attempts are known whose rows are gone.
func remembered(t *testing.T, b *bundle) (n int) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from provider_attempt_tombstone`).Scan(&n))

	return n
}

// A notice comes in the moment in which its attempt is given up for lost: the generation goes on with the next
// attempt, and of the first nothing stays at the provider.
func TestLate_NoticeMeetsAbandon(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := lost(t, b)

	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)

	defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()

	tag, err := tx.Exec(t.Context(), `update provider_attempt set state = 'abandoned', error_code = 'submit_lost', finished_at = $2
		where task_id = $1 and request_id is null`, g.ID, b.now.Now())
	require.NoError(t, err)
	require.EqualValues(t, 1, tag.RowsAffected())

	answer := make(chan error, 1)

	go func() {
		answer <- b.ReceiveCallback(t.Context(), b.token(0), providers.Callback{RequestID: "request-a", Body: []byte(`{}`)})
	}()

	waitLocked(t, b)
	require.NoError(t, tx.Commit(t.Context()))
	require.NoError(t, <-answer)
	require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status, "it has no attempt that runs")

	b.pass(t, 91*time.Second)
	require.Len(t, b.provider.requests, 2)
	require.True(t, b.provider.erased["request-a"])
	b.provider.finish(t, 1)
	b.pass(t, 31*time.Second)
	require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
	b.check(t)
}

// Whenever the notice of a lost submit comes, of a generation that was deleted nothing stays at the provider.
func TestLate_NoticeMeetsErasure(t *testing.T) {
	t.Parallel()

	for name, late := range map[string]func(t *testing.T, b *bundle, notice func()){
		"WhileItsObjectsAreDeleted": func(t *testing.T, b *bundle, notice func()) {
			t.Helper()

			b.bucket.deleted = func() { b.bucket.deleted = nil; notice() }
			b.pass(t, 91*time.Second)
		},
		"AfterItsRowsAreGone": func(t *testing.T, b *bundle, notice func()) {
			t.Helper()
			b.pass(t, 91*time.Second)
			b.pass(t, 5*time.Second)
			require.True(t, erased(t, b), "a deletion does not wait for what may never come")
			require.Equal(t, 1, remembered(t, b))
			notice()
			notice() // repeating it changes nothing
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			g := lost(t, b)
			require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
			late(t, b, func() { b.callback(t, 0, "request-a") })
			b.pass(t, 5*time.Second)
			b.pass(t, 5*time.Second)

			require.True(t, erased(t, b))
			require.True(t, b.provider.erased["request-a"])
			require.Zero(t, remembered(t, b))

			var costs, named int

			require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*), count(request_id) + count(attempt_id) from provider_cost`).Scan(&costs, &named))
			require.Equal(t, [2]int{1, 0}, [2]int{costs, named}, "what it cost stays, and nothing that leads to it")
			require.Empty(t, b.jobs.Pending())
			require.Empty(t, b.bucket.keys())
		})
	}
}

// A submit may be answered when its attempt was given up: what it became is called off and erased.
func TestLate_ReplyMeetsAbandon(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		meanwhile func(t *testing.T, b *bundle)
		requests  int
	}{
		"ByAnotherWorker": {func(t *testing.T, b *bundle) {
			t.Helper()
			b.jobs.Recover()
			b.pass(t, 91*time.Second)
		}, 2},
		"ByItsDeadline": {func(t *testing.T, b *bundle) {
			t.Helper()
			expire(t, b)
			b.pass(t, 91*time.Second)
		}, 1},
		"ByAnErasure": {func(t *testing.T, b *bundle) {
			t.Helper()

			page, err := b.List(t.Context(), b.user, generation.Filter{})
			require.NoError(t, err)
			expire(t, b)
			require.NoError(t, b.Delete(t.Context(), b.user, page.Generations[0].ID))
			b.pass(t, 91*time.Second)
			b.pass(t, 5*time.Second)
			require.True(t, erased(t, b))
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			stopping := 2
			b.provider.cancel = func() (providers.CancelOutcome, error) {
				if stopping--; stopping > 0 {
					return providers.CancelRequested, nil
				}

				return providers.CancelTooLate, nil
			}

			answeredLate(t, b, func() { c.meanwhile(t, b) })
			require.Len(t, b.provider.requests, c.requests)
			b.pass(t, time.Second)
			require.True(t, b.provider.canceled["request-a"])
			require.False(t, b.provider.erased["request-a"], "what still runs would leave its copy behind an erasure")

			b.pass(t, 10*time.Second)
			b.pass(t, 10*time.Second)
			require.True(t, b.provider.erased["request-a"])
			require.False(t, b.provider.canceled["request-b"], "the next attempt goes on")
			b.settled(t)
		})
	}
}

// A worker that has lost its job still writes down which request its call became.
func TestLate_ReplyMeetsAnotherHolder(t *testing.T) {
	t.Parallel()

	b := setup(t)
	answeredLate(t, b, func() { b.jobs.Recover() })
	b.pass(t, 91*time.Second)
	require.Len(t, b.provider.requests, 1, "the job's next holder need not search")

	delete(b.provider.failed, "request-a")
	b.provider.finish(t, 0)
	b.pass(t, 31*time.Second)
	b.check(t)
}

// A search may find a request when another, that found nothing, has given its attempt up.
func TestLate_SearchMeetsAbandon(t *testing.T) {
	t.Parallel()

	b := setup(t)
	lost(t, b)
	expire(t, b)

	b.provider.find = func() error {
		b.provider.mu.Unlock()
		defer b.provider.mu.Lock()

		b.provider.find = nil
		b.jobs.Recover()
		b.jobs.RunAll(t.Context())

		delete(b.provider.failed, "request-a")
		b.provider.finish(t, 0)

		return nil
	}

	b.pass(t, 91*time.Second)
	b.pass(t, 10*time.Second)
	require.True(t, b.provider.erased["request-a"])
	require.Empty(t, b.jobs.Pending())
	b.check(t)
}

// A request that another attempt was found to be is that one's, whoever is told of it.
func TestLate_NoticeOfAnotherAttemptsRequest(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := lost(t, b)
	b.pass(t, 91*time.Second)
	require.Len(t, b.provider.requests, 2)

	b.callback(t, 0, "request-b")
	b.pass(t, time.Second)
	require.False(t, b.provider.erased["request-b"])

	b.provider.finish(t, 1)
	b.pass(t, 31*time.Second)
	require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
	b.check(t)
}

// An attempt of an erased generation is remembered for as long as the provider may have a copy, and no longer.
func TestLate_IsForgottenWithTheCopy(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := lost(t, b)
	require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
	b.pass(t, 91*time.Second)
	b.pass(t, 5*time.Second)
	require.Equal(t, 1, remembered(t, b))

	purge := func() {
		b.ledger(t, func(tx pgx.Tx) error {
			_, err := b.jobs.Queue().Stage(t.Context(), tx, jobs.PurgeTombstones{})

			return err
		})
		b.jobs.RunAll(t.Context())
	}

	b.now.Move(2 * time.Hour)
	purge()
	require.Equal(t, 1, remembered(t, b))

	b.now.Move(time.Hour)
	purge()
	require.Zero(t, remembered(t, b))
	require.ErrorIs(t, b.ReceiveCallback(t.Context(), b.token(0), providers.Callback{RequestID: "request-a"}), generation.ErrCallbackUnknown)
}
