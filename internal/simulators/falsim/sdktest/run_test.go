package sdktest_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

func TestSDK_RunsWithoutTheQueue(t *testing.T) {
	t.Parallel()

	got, sim := run[struct {
		Ran     result   `json:"ran"`
		Image   download `json:"image"`
		Refused failure  `json:"refused"`
		App     failure  `json:"app"`
	}](t, "run", falsim.Options{})

	require.NotEmpty(t, got.Ran.RequestID)
	require.Equal(t, "a lighthouse", got.Ran.Data.Prompt)
	require.Equal(t, http.StatusOK, got.Image.Status)
	require.True(t, got.Refused.Validation)
	require.Equal(t, "less_than_equal", got.Refused.Fields[0].Type)
	require.Equal(t, `Application "no-such-app" not found`, got.App.Body.Detail)

	s := sim.Stats()
	require.Equal(t, []int64{3, 0, 0, 0}, []int64{s.Runs, s.Submits, s.Statuses, s.Results})
	require.JSONEq(t, `{"expiration_duration_seconds":3600}`, sim.Requests(falsim.RouteRun)[0].Header.Get("X-Fal-Object-Lifecycle-Preference"))
}

// Where all slots are taken the client is refused, and comes again until there is one.
func TestSDK_RunsAgainWhenCrowdedOut(t *testing.T) {
	t.Parallel()

	clock := newHands()
	got, sim := runBy[struct {
		Ran    result `json:"ran"`
		Before status `json:"before"`
	}](t, clock, "runCrowded", falsim.Options{Slots: 1, Duration: time.Minute}, func(sim *falsim.Sim) { freeSlots(t, clock, sim) })

	require.Len(t, got.Ran.Data.Images, 1)
	require.Equal(t, "COMPLETED", got.Before.Status)
	require.Greater(t, sim.Stats().Runs, int64(1))
	require.Equal(t, http.StatusTooManyRequests, sim.Requests(falsim.RouteRun)[0].Status)
}

// freeSlots ends what runs, again and again, once a call was refused for want of a slot: however slow the
// machine is, the client meets the refusal first.
func freeSlots(t *testing.T, clock *hands, sim *falsim.Sim) {
	t.Helper()

	var watch sync.WaitGroup

	tick := time.NewTicker(5 * time.Millisecond)

	watch.Go(func() {
		for {
			select {
			case <-t.Context().Done():
				return
			case <-tick.C:
			}

			if runs := sim.Requests(falsim.RouteRun); len(runs) > 0 && runs[0].Status == http.StatusTooManyRequests && sim.Stats().Running > 0 {
				clock.move()
				sim.Tick()
			}
		}
	})

	t.Cleanup(func() { tick.Stop(); watch.Wait() })
}
