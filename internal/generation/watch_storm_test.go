package generation_test

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

// TestWatch_StormProve has one user look on from five tabs while 16 workers work their generations, some are
// canceled and deleted, and an operator cancels and retries jobs. Nobody waits in a circle for anybody: on this
// database that would be found out within 10 ms.
func TestWatch_StormProve(t *testing.T) {
	t.Parallel()

	lasts := 4 * time.Second
	if os.Getenv("IMAGERUN_PROVE") != "" {
		lasts = time.Minute
	}

	url, _, ownerURL := devtest.PostgresURLs(t)
	_, err := devtest.Pool(t, ownerURL).Exec(t.Context(), `do $$ begin execute format('alter database %I set deadlock_timeout = ''10ms''', current_database()); end $$`)
	require.NoError(t, err)

	pool, err := postgres.Open(t.Context(), postgres.Options{URL: url, AppName: "storm", MaxConns: 32})
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	b := setupOn(t, pool, func(o *generation.Options) {
		o.CollectFirst, o.CollectEvery, o.PollEvery, o.Slots = time.Millisecond, time.Millisecond, time.Millisecond, 1000
	})
	b.watches.forgets = true
	b.provider.finishAll(t)
	b.fund(t, b.user, fortune)
	b.submit(t)
	_, err = pool.Exec(t.Context(), `update generation_user set plan = 'studio'`)
	require.NoError(t, err)

	rounds := 0
	for end := time.Now().Add(lasts); time.Now().Before(end); rounds++ {
		b.watchRound(t)
	}

	t.Logf("%d rounds", rounds)

	// Connections report what they saw when they end.
	pool.Close()
	require.Zero(t, deadlocks(t, url))
}

// watchRound has 40 generations begun, and worked while everybody looks on and interferes.
func (b *bundle) watchRound(t *testing.T) {
	t.Helper()

	ids := make([]uuid.UUID, 40)
	for i := range ids {
		ids[i] = b.submit(t).ID
	}

	_, err := b.Admit(t.Context(), "fal")
	require.NoError(t, err)

	var (
		work, others sync.WaitGroup
		worked       = make(chan struct{})
	)

	for range 16 {
		work.Go(func() {
			for b.unfinished(t) > 0 {
				b.jobs.RunNext(t.Context())
			}
		})
	}

	repeat := func(do func() error) {
		others.Go(func() {
			for {
				select {
				case <-worked:
					return
				default:
				}

				if err := do(); err != nil && !expected(err) {
					t.Error(err)
				}
			}
		})
	}

	for range 5 {
		repeat(func() error { return b.Watch(t.Context(), b.user, ids...) })
	}

	admin, n := durable.NewAdmin(b.jobs.Queue()), 0
	order := func(limit int) durable.Order {
		return durable.Order{Filter: durable.Filter{Limit: limit}, Operator: "ada"}
	}

	repeat(func() error {
		_, err := admin.Retry(t.Context(), order(0))

		return err
	})
	repeat(func() error {
		_, err := admin.Cancel(t.Context(), order(2))

		return err
	})
	repeat(func() error {
		id := ids[n%len(ids)]
		if n++; n%4 == 0 {
			return b.Delete(t.Context(), b.user, id)
		}

		_, err := b.Cancel(t.Context(), b.user, id)

		return err
	})

	work.Wait()
	close(worked)
	others.Wait()
}

// unfinished is how many generations there are that have not ended.
func (b *bundle) unfinished(t *testing.T) (n int) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from ai_task where finished_at is null and admitted_at is not null`).Scan(&n))

	return n
}
