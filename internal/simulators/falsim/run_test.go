package falsim_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

// runs calls a model without the queue, in the background.
func (b *bundle) runs(endpoint, body string) <-chan reply {
	out := make(chan reply, 1)
	began := b.sim.Stats().Accepted

	go func() { out <- b.do(http.MethodPost, "/run/"+endpoint, body) }()

	require.Eventually(b.t, func() bool { return b.sim.Stats().Accepted > began }, 10*time.Second, time.Millisecond)

	return out
}

func TestRun_AnswersAsTheModelDoes(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, QueueTime: time.Hour})
	answered := b.runs("fal-ai/flux/dev", `{"prompt":"a fox","image_size":"square"}`)

	b.clock.Move(time.Second)
	b.sim.Tick()

	r := <-answered
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "a fox", r.body["prompt"])
	require.Equal(t, "1", r.header.Get("X-Fal-Billable-Units"))
	require.NotEmpty(t, r.header.Get("X-Fal-Request-Id"))

	images, _ := r.body["images"].([]any)
	image, _ := images[0].(map[string]any)
	require.Equal(t, http.StatusOK, b.do("GET", link(image, "url"), "", "Authorization", "").status)
}

// What the queue would say through the result, this says at once.
func TestRun_RefusesDirectly(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Hour})

	r := b.do("POST", "/run/fal-ai/flux/dev", `{}`)
	require.Equal(t, http.StatusUnprocessableEntity, r.status)
	require.Contains(t, string(r.raw), `"type":"missing"`)
	require.Equal(t, "false", r.header.Get("X-Fal-Retryable"))

	require.Equal(t, http.StatusNotFound, b.do("POST", "/run/fal-ai/flux/no/such/path", `{}`).status)
	require.Equal(t, `Application "none" not found`, b.do("POST", "/run/fal-ai/none", `{}`).body["detail"])
	require.Equal(t, http.StatusMethodNotAllowed, b.do("GET", "/run/fal-ai/flux/dev", "").status)
	require.Equal(t, http.StatusUnauthorized, b.do("POST", "/run/fal-ai/flux/dev", `{}`, "Authorization", "").status)
	require.Equal(t, http.StatusBadRequest, b.do("POST", "/run/fal-ai/flux/dev", `{`).status)

	b.sim.SetKnobs(func(k *falsim.Knobs) { k.ExhaustedBalance = true })
	require.Equal(t, http.StatusForbidden, b.do("POST", "/run/fal-ai/flux/dev", `{"prompt":"x"}`).status)
}

// A call without the queue is refused where one in the queue would wait, and is not tried again.
func TestRun_DoesNotWait(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, Slots: 1, Knobs: falsim.Knobs{Ending: "runner_disconnected"}})
	first := b.runs("fal-ai/flux/dev", `{"prompt":"x"}`)

	r := b.do("POST", "/run/fal-ai/flux/dev", `{"prompt":"x"}`)
	require.Equal(t, http.StatusTooManyRequests, r.status)
	require.Equal(t, "1", r.header.Get("X-Fal-Needs-Retry"))
	require.Equal(t, "concurrent_requests_limit", r.body["error_type"])

	b.clock.Move(time.Second)
	b.sim.Tick()

	r = <-first
	require.Equal(t, http.StatusServiceUnavailable, r.status)
	require.Equal(t, "runner_disconnected", r.header.Get("X-Fal-Error-Type"))
	require.Zero(t, b.sim.Stats().Retried)
}

func TestRun_EndsWithItsCaller(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Hour})
	ctx, leave := context.WithCancel(t.Context())

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, b.url+"/run/fal-ai/flux/dev", strings.NewReader(`{"prompt":"x"}`))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Key "+testKey)

	gone := make(chan error, 1)

	go func() {
		res, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			err = res.Body.Close()
		}

		gone <- err
	}()

	require.Eventually(t, func() bool { return b.sim.Stats().Running == 1 }, 10*time.Second, time.Millisecond)
	leave()
	require.ErrorIs(t, <-gone, context.Canceled)
	require.Eventually(t, func() bool { return b.sim.Stats().Running == 0 }, 10*time.Second, time.Millisecond)

	items, _ := b.do("GET", "/v1/models/requests/by-endpoint?endpoint_id=fal-ai/flux/dev", "").body["items"].([]any)
	row, _ := items[0].(map[string]any)
	require.InDelta(t, 499, row["status_code"], 0)
}

func TestRun_IsSpoiledToo(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Nanosecond})
	b.only("run/lose")

	_, fits := b.attempt("POST", "/run/fal-ai/flux/dev", `{}`)
	require.False(t, fits)
	require.Equal(t, map[string]int64{"run/lose": 1}, b.sim.Stats().Faults)
	require.EqualValues(t, 1, b.sim.Stats().Accepted, "it acted")
	require.EqualValues(t, 1, b.sim.Stats().Runs)
}
