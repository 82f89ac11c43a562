package falsim_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

// Each fault spoils the webhook in its way; some are still to be believed.
func TestWebhook_HasFaults(t *testing.T) {
	t.Parallel()

	genuine := []string{"wrong_user", "stale", "future", "other_header", "other_body", "unknown_request", "other_gateway_id", "uppercase", "twice_signed", "garbage", "null_payload", "error_payload", "bare", "unknown_state", "rotated"}

	for _, fault := range falsim.WebhookFaults() {
		b := setup(t, falsim.Options{Duration: time.Second, UserID: "user_me", AllowPrivateCallbacks: true, Knobs: falsim.Knobs{WebhookFault: fault}})
		hook, posts := receiver(t)
		id := link(b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`), "request_id")
		b.clock.Move(time.Second)
		b.sim.Tick()

		p := next(t, posts)
		require.Equal(t, slices.Contains(genuine, fault), b.signedBy(p), fault)

		var body map[string]any
		if json.Unmarshal(p.body, &body) != nil {
			require.Equal(t, "garbage", fault)

			continue
		}

		at, _ := strconv.ParseInt(p.header.Get("X-Fal-Webhook-Timestamp"), 10, 64)
		payload, _ := body["payload"].(map[string]any)
		signature := p.header.Values("X-Fal-Webhook-Signature")
		whole := len(signature) == 1 && signature[0] == strings.ToLower(signature[0]) && b.signedBy(p) &&
			p.header.Get("X-Fal-Webhook-Request-Id") == id && body["request_id"] == id && body["gateway_request_id"] == id &&
			p.header.Get("X-Fal-Webhook-User-Id") == "user_me" && at == b.clock.Now().Unix() && body["status"] == "OK" && payload["images"] != nil
		require.Equal(t, fault == "rotated", whole, fault)
		require.Equal(t, fault, b.sim.Deliveries()[0].Fault)
	}
}

func TestChaos_SpoilsWebhooks(t *testing.T) {
	t.Parallel()

	for _, d := range of(falsim.RouteWebhook) {
		b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true})
		b.only("webhook/" + d.Name)
		hook, posts := receiver(t)
		b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`)
		b.clock.Move(time.Second)
		b.sim.Tick()

		want := map[string]int{"lost": 0, "late": 0, "doubled": 2, "storm": 20}
		n, special := want[d.Name]

		if !special {
			n = 1
		}

		for range n {
			next(t, posts)
		}

		require.Empty(t, posts)
		require.Equal(t, d.Name, b.sim.Deliveries()[0].Chaos)
		require.Equal(t, map[string]int64{"webhook/" + d.Name: 1}, b.sim.Stats().Faults)

		if d.Name == "late" {
			b.clock.Move(10 * time.Millisecond)
			b.sim.Tick()
			next(t, posts)
		}
	}
}

func TestWebhook_KeysAndClockMayBeOff(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true, Knobs: falsim.Knobs{ClockSkewMS: 600_000}})
	hook, posts := receiver(t)
	accepted := b.submit("fal-ai/flux/dev"+hook, `{"prompt":"x"}`)
	submitted := b.clock.Now().Add(10 * time.Minute)
	b.clock.Move(time.Second)
	b.sim.Tick()

	p := next(t, posts)
	ahead := b.clock.Now().Add(10 * time.Minute)
	require.Equal(t, strconv.FormatInt(ahead.Unix(), 10), p.header.Get("X-Fal-Webhook-Timestamp"))
	require.Contains(t, string(b.do("GET", link(accepted, "status_url")+"?logs=1", "").raw), ahead.Format("2006-01-02T15:04:05.000Z"))

	list := func(query string) string {
		return string(b.do("GET", "/v1/models/requests/by-endpoint?endpoint_id=fal-ai/flux/dev"+query, "").raw)
	}
	require.Contains(t, list(""), `"sent_at":"`+submitted.Format(time.RFC3339)+`"`)
	require.NotContains(t, list("&end="+submitted.Add(-time.Minute).Format(time.RFC3339)), "sent_at")

	for jwks, believed := range map[string]bool{"": true, "more": true, "late": false, "none": false} {
		b.sim.SetKnobs(func(k *falsim.Knobs) { k.JWKS = jwks })
		require.Equal(t, believed, b.signedBy(p), jwks)
	}

	b.sim.SetKnobs(func(k *falsim.Knobs) { k.JWKS = "late" })
	b.sim.RotateKey(true)
	require.True(t, b.signedBy(p), "the one before is still published")
}
