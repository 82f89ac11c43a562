package apptest_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/apptest"
	"imagerun/internal/simulators/falsim"
)

// TestWorkerKilled kills a worker, as a power cut does, at the two worst moments.
func TestWorkerKilled(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		rule   falsim.Rule
		within time.Duration // from the kill to the end
	}{
		// fal has the request, the worker does not know it: the webhook tells which one it is.
		"WhileTheSubmitsReplyIsWithheld": {falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActWithhold}, 90 * time.Second},
		"WhileTheDownloadStalls":         {falsim.Rule{Route: falsim.RouteMedia, Action: falsim.ActStall}, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p := apptest.Start(t, apptest.Options{Workers: -1, Fal: falsim.Options{Duration: 3 * time.Second}})
			u := p.SignUp(t, "")
			victim := p.Spawn(t, app.Worker())

			rule, err := p.Fal.AddRule(c.rule)
			require.NoError(t, err)

			g := u.Submit(t, nil)
			require.Eventually(t, func() bool { return p.Fal.Held(rule) == 1 }, 20*time.Second, 10*time.Millisecond)

			heir := p.Spawn(t, app.Worker())
			killed := time.Now()

			victim.Kill()

			g = u.Await(t, g.ID, c.within)
			t.Logf("killed → finished: %.1f s", time.Since(killed).Seconds())
			require.Equal(t, "succeeded", g.Status, heir.Log)
			require.EqualValues(t, 1, p.Fal.Stats().Submits)

			p.Fal.Release(rule)
			p.Quiet(t)
			p.CheckObjects(t)
		})
	}
}

// TestUnknownSubmit_WithoutWebhooks is the same, where no webhook can tell: the platform API does.
func TestUnknownSubmit_WithoutWebhooks(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{
		Config: map[string]string{"generation.unknown_wait": "2s", "fal.webhook_url": ""},
		Fal:    falsim.Options{Duration: 200 * time.Millisecond},
	})
	u := p.SignUp(t, "")

	_, err := p.Fal.AddRule(falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActLose})
	require.NoError(t, err)

	g := u.Await(t, u.Submit(t, nil).ID, 30*time.Second)
	require.Equal(t, "succeeded", g.Status)
	require.EqualValues(t, 1, p.Fal.Stats().Submits)
	require.Positive(t, p.Fal.Stats().Finds)
	p.Quiet(t)
	p.CheckObjects(t)
}

// TestProve_WebhooksLostAndDoubled loses every third webhook and doubles every fourth, over 200
// generations of several users. The long form waits as long as production does for a lost one.
func TestProve_WebhooksLostAndDoubled(t *testing.T) {
	t.Parallel()

	const n = 200

	over := map[string]string{"generation.collect_first": "4s", "generation.collect_every": "2s"}
	if proving() {
		over = nil
	}

	p := apptest.Start(t, apptest.Options{
		Config: over,
		Fal:    falsim.Options{Duration: time.Second, Knobs: falsim.Knobs{LoseEveryNth: 3, DoubleEveryNth: 4, Jitter: 0.5}},
	})

	users := []*apptest.User{p.SignUp(t, "studio"), p.SignUp(t, "studio")}
	ids := make([]string, n)

	var wg sync.WaitGroup

	for w := range 8 {
		wg.Go(func() {
			for i := w; i < n; i += 8 {
				ids[i] = users[i%2].Submit(t, map[string]any{"width": 256, "height": 256}).ID
			}
		})
	}

	wg.Wait()

	submitted := time.Now()

	require.Eventually(t, func() bool {
		return p.Count(t, `select count(*) from ai_task where finished_at is null`) == 0
	}, 90*time.Second, 100*time.Millisecond, "not all generations end")
	t.Logf("last submit → all ended: %.1f s", time.Since(submitted).Seconds())

	require.Equal(t, n, p.Count(t, `select count(*) from ai_task where status = 'succeeded'`))
	require.Equal(t, int64(n), p.Fal.Stats().Submits)
	require.Positive(t, p.Fal.Stats().WebhooksLost)
	require.Positive(t, p.Fal.Stats().WebhooksDoubled)
	p.Quiet(t)
	p.CheckObjects(t)
}

// TestProve_ThousandRunning has a worker with many running images, a thousand in full, do nothing at all.
func TestProve_ThousandRunning(t *testing.T) {
	t.Parallel()

	n := 250
	if proving() {
		n = 1000
	}

	p := apptest.Start(t, apptest.Options{Workers: -1, Fal: falsim.Options{Duration: time.Hour}})
	worker := p.Spawn(t, app.Worker())
	u := p.SignUp(t, "studio")

	// A first one opens what connections there are to be opened.
	u.Submit(t, nil)
	running := func(n int) func() bool {
		return func() bool { return p.Count(t, `select count(*) from ai_task where status = 'running'`) == n }
	}
	require.Eventually(t, running(1), 20*time.Second, 50*time.Millisecond)

	before := p.Metric(t, worker.OpsURL, "go_goroutines")

	var wg sync.WaitGroup

	for w := range 8 {
		wg.Go(func() {
			for i := 1 + w; i < n; i += 8 {
				u.Submit(t, nil)
			}
		})
	}

	wg.Wait()
	require.Eventually(t, running(n), 3*time.Minute, 100*time.Millisecond)
	require.Equal(t, n, p.Fal.Stats().Running)

	// No job is worked, so no slot is taken, and no goroutine is left of any of them.
	require.Eventually(t, func() bool {
		active := 0
		for _, q := range p.Dashboard(t) {
			active += q.Active
		}

		return active == 0 && p.Metric(t, worker.OpsURL, "go_goroutines") < before+50
	}, time.Minute, 200*time.Millisecond)
	require.Zero(t, p.Count(t, `select count(*) from job where state = 'running'`))
	p.CheckCounts(t)

	reply := u.Do(t, http.MethodGet, "/v1/generations?status=running&limit=100", nil, nil)
	require.Equal(t, http.StatusOK, reply.StatusCode)
}
