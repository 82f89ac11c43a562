package falsim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

// Older pages of fal's say some things otherwise; a client had better take both.
func TestQueue_OlderShapes(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, Slots: 1, Knobs: falsim.Knobs{OlderShapes: true}})
	running := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)
	waiting := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)
	require.Equal(t, b.url+"/queue/fal-ai/flux/dev/requests/"+link(running, "request_id")+"/response", running["response_url"])

	for _, accepted := range []map[string]any{running, waiting} {
		r := b.do("PUT", link(accepted, "cancel_url"), "")
		require.Equal(t, http.StatusOK, r.status)
		require.JSONEq(t, `{"success":true}`, string(r.raw))
	}

	b.clock.Move(time.Second)
	require.Len(t, b.images(running), 1)

	refused := b.submit("fal-ai/flux/dev", `{}`)
	r := b.do("GET", link(refused, "response_url"), "")
	require.Equal(t, http.StatusUnprocessableEntity, r.status)
	require.Equal(t, "0", r.header.Get("X-Fal-Needs-Retry"))
	require.Empty(t, r.header.Get("X-Fal-Retryable"))
}
