package falsim_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

func TestQueue_TriesAgainByItself(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		ending  string
		header  []string
		status  int
		retried int64
		from    string
	}{
		"FallsBackAfterFive":   {"runner_disconnected", nil, http.StatusOK, 5, "falsim-fallback"},
		"NoFallback":           {"runner_disconnected", []string{"X-App-Fal-Disable-Fallback", "true"}, http.StatusServiceUnavailable, 9, "falsim"},
		"NoRetry":              {"startup_timeout", []string{"X-Fal-No-Retry", "1"}, http.StatusGatewayTimeout, 0, "falsim"},
		"NotFor500":            {"runner_server_error", nil, http.StatusInternalServerError, 0, "falsim"},
		"NotForAnInputProblem": {"image_load_error", nil, http.StatusUnprocessableEntity, 0, "falsim"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true, Knobs: falsim.Knobs{Ending: c.ending}})
			hook, posts := receiver(t)
			accepted := b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`, c.header...)

			for range c.retried + 1 {
				require.Equal(t, http.StatusAccepted, b.do("GET", link(accepted, "status_url"), "").status)
				b.clock.Move(time.Second)
			}

			b.await(accepted)

			r := b.do("GET", link(accepted, "response_url"), "")
			require.Equal(t, c.status, r.status)
			require.Equal(t, c.from, r.header.Get("X-Fal-Served-From"))
			require.Equal(t, c.retried, b.sim.Stats().Retried)

			var body map[string]any
			require.NoError(t, json.Unmarshal(next(t, posts).body, &body))
			require.Equal(t, accepted["request_id"], body["request_id"])
			require.Equal(t, c.retried == 0, body["gateway_request_id"] == body["request_id"])
		})
	}
}

func TestQueue_ServesLowPriorityLast(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, Slots: 1})
	b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)

	low := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`, "X-Fal-Queue-Priority", "low")
	require.InDelta(t, 0, low["queue_position"], 0)

	normal := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`, "X-Fal-Queue-Priority", "normal")
	require.InDelta(t, 0, normal["queue_position"], 0)
	require.InDelta(t, 1, b.do("GET", link(low, "status_url"), "").body["queue_position"], 0)
}

func TestQueue_ChecksTags(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{})

	for tags, want := range map[string]int{
		"attempt=0192-ab, b.c_d=": http.StatusOK, "a=" + strings.Repeat("x", 256): http.StatusOK,
		"novalue": http.StatusBadRequest, "Upper=x": http.StatusBadRequest, "=x": http.StatusBadRequest, "fal.a=x": http.StatusBadRequest,
		"a=" + strings.Repeat("x", 257): http.StatusBadRequest, strings.Repeat("a", 65) + "=x": http.StatusBadRequest,
		strings.Repeat("a=b,", 10) + "c=d": http.StatusBadRequest,
	} {
		require.Equal(t, want, b.do("POST", "/queue/fal-ai/flux/dev", `{"prompt":"x"}`, "X-Fal-Tags", tags).status, tags)
	}
}
