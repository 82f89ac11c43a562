package apptest_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/apptest"
	"imagerun/internal/simulators/falsim"
)

// TestProve_HostileVendor has a fifth of everything at the vendor spoiled, in every way that
// the simulator knows: calls, replies, notices, pictures and how requests end. The long form is
// 2,000 generations with the waits of production.
func TestProve_HostileVendor(t *testing.T) {
	t.Parallel()

	const seed = 4

	n, deadline := 60, 90*time.Second
	over := map[string]string{
		"generation.deadline": "90s", "generation.unknown_wait": "3s",
		"generation.collect_first": "3s", "generation.collect_every": "3s",
	}

	if proving() {
		n, deadline = 2000, 10*time.Minute
		over = map[string]string{"generation.deadline": "10m"}
	}

	p := apptest.Start(t, apptest.Options{
		Workers: -1, Config: over,
		Fal: falsim.Options{
			Seed: seed, Duration: time.Second, MaxLog: 40 * n,
			Knobs: falsim.Knobs{Jitter: 0.5, Chaos: falsim.Chaos{Share: 0.2, HoldMS: 1000}},
		},
	})
	workers := []*apptest.Binary{p.Spawn(t, app.Worker()), p.Spawn(t, app.Worker())}
	users := []*apptest.User{p.SignUp(t, "studio"), p.SignUp(t, "studio"), p.SignUp(t, "studio")}

	var wg sync.WaitGroup

	for w := range 6 {
		wg.Go(func() {
			for i := w; i < n; i += 6 {
				users[i%len(users)].Submit(t, map[string]any{
					"prompt": fmt.Sprintf("lighthouse number %d", i), "width": 256, "height": 256, "num_images": 1 + i%2,
				})
			}
		})
	}

	wg.Wait()

	early := memory(t, p, workers)
	ended := func() bool { return p.Count(t, `select count(*) from ai_task where finished_at is null`) == 0 }
	require.Eventually(t, ended, deadline+30*time.Second, 200*time.Millisecond, "not all generations end")

	requireAllOver(t, p)
	requireSubmitsAccountedFor(t, p)

	// What is left is erasing at the vendor, which goes on until it is done.
	p.Fal.SetKnobs(func(k *falsim.Knobs) { k.Chaos.Share = 0 })
	require.Eventually(t, func() bool { return p.Count(t, `select count(*) from job where state <> 'dead'`) == 0 },
		5*time.Minute, 200*time.Millisecond, "jobs do not come to an end")
	require.Zero(t, p.Count(t, `select count(*) from job`), "a job was set aside")
	p.Quiet(t)
	p.CheckObjects(t)
	require.Zero(t, p.Count(t, `select count(*) - count(distinct sha256) from ai_image where status = 'stored'`), "an image twice")
	require.Zero(t, p.Fal.Stats().Trapped, "a redirect or a false link was followed")

	late := memory(t, p, workers)
	t.Logf("memory of both workers: %.0f MB when all were submitted, %.0f MB at the end", early/1e6, late/1e6)
	require.Less(t, late, max(1.5*early, 400e6))
}

func memory(t *testing.T, p *apptest.Product, workers []*apptest.Binary) (sum float64) {
	t.Helper()

	for _, w := range workers {
		sum += p.Metric(t, w.OpsURL, "process_resident_memory_bytes")
	}

	return sum
}

// requireAllOver demands that each generation ended by its deadline, and most of them well: a
// vendor that fails one time in five is no reason for a user to go without.
func requireAllOver(t *testing.T, p *apptest.Product) {
	t.Helper()

	require.Zero(t, p.Count(t, `select count(*) from ai_task where finished_at > deadline_at + interval '5 seconds'`))

	rows, err := p.Pool.Query(t.Context(), `select status || coalesce(' ' || failure_code, '') as how, count(*)::int as n from ai_task group by 1`)
	require.NoError(t, err)

	type ending struct {
		How string
		N   int
	}

	endings, err := pgx.CollectRows(rows, pgx.RowToStructByName[ending])
	require.NoError(t, err)
	t.Logf("endings: %v", endings)

	// Why those that failed did: their attempts' ends, in order.
	rows, err = p.Pool.Query(t.Context(), `select codes || ' ×' || count(*) from (
		select t.id, t.failure_code || ': ' || string_agg(a.state || ' ' || coalesce(a.error_code, '-'), ', ' order by a.n) as codes
		from ai_task t join provider_attempt a on a.task_id = t.id
		where t.failure_code in ('provider_error', 'deadline_exceeded', 'result_expired', 'generation_timeout', 'storage_error') group by t.id
	) x group by codes order by count(*) desc limit 20`)
	require.NoError(t, err)

	why, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	t.Logf("failed for the vendor's sake:\n%s", strings.Join(why, "\n"))

	var good, all int

	for _, e := range endings {
		all += e.N
		if strings.HasPrefix(e.How, "succeeded") || strings.HasPrefix(e.How, "partial") {
			good += e.N
		}
	}

	require.Greater(t, good, all*3/4)
}

// requireSubmitsAccountedFor compares what the vendor was asked with what we wrote down: each
// attempt asked once at most, and none was made before the one before it was known to be over
// or, asked about, was not to be found.
func requireSubmitsAccountedFor(t *testing.T, p *apptest.Product) {
	t.Helper()

	calls := map[string][]falsim.Received{} // by attempt
	for _, r := range p.Fal.Requests(falsim.RouteSubmit) {
		attempt := strings.TrimPrefix(r.Header.Get("X-Fal-Tags"), "attempt=")
		calls[attempt] = append(calls[attempt], r)
	}

	for attempt, c := range calls {
		require.Len(t, c, 1, "submits of attempt %s", attempt)
		require.Equal(t, 1, p.Count(t, `select count(*) from provider_attempt where id = $1`, attempt))
	}

	require.Zero(t, p.Count(t, `select count(*) from (
		select error_code, finished_at, lead(created_at) over (partition by task_id order by n) as next from provider_attempt
	) a where next is not null and (error_code is null or finished_at is null or finished_at > next)`), "a resubmit without a reason")

	rows, err := p.Pool.Query(t.Context(), `select id::text from provider_attempt where error_code = 'submit_lost'`)
	require.NoError(t, err)

	lost, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)

	for _, id := range lost {
		for _, c := range calls[id] {
			require.NotEmpty(t, c.Fault, "attempt %s was given up though its submit was answered", id)
		}
	}

	stats := p.Fal.Stats()
	kinds := slices.Sorted(maps.Keys(stats.Faults))
	t.Logf("%d of %d spoiled in %d ways; %d submits, %d accepted, %d ambiguous ones made again", sum(stats.Faults), stats.Considered,
		len(kinds), stats.Submits, stats.Accepted, len(lost))
}

func sum(counts map[string]int64) (total int64) {
	for _, n := range counts {
		total += n
	}

	return total
}
