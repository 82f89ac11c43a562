package falsim_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

// try makes a call that may come to nothing and returns its outcome: a status and the number
// of body bytes, or an error.
func (b *bundle) try(method, path, body string) chan string {
	done := make(chan string, 1)

	go func() {
		req, _ := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
		req.Header.Set("Authorization", "Key "+testKey)

		res, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			done <- "error"

			return
		}

		defer func() { _ = res.Body.Close() }()

		n := 0
		buf := make([]byte, 1<<16)

		for {
			k, err := res.Body.Read(buf)
			n += k

			if err != nil {
				done <- fmt.Sprintf("%d %d %t", res.StatusCode, n, int64(n) == res.ContentLength || res.ContentLength < 0)

				return
			}
		}
	}()

	return done
}

func (b *bundle) rule(r falsim.Rule) int {
	b.t.Helper()

	id, err := b.sim.AddRule(r)
	require.NoError(b.t, err)

	return id
}

func (b *bundle) held(id int) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.sim.Held(id) == 1 }, 5*time.Second, time.Millisecond)
}

func TestRules_SpoilTheNextAnswers(t *testing.T) {
	t.Parallel()

	const submit = "/queue/fal-ai/flux/dev"

	b := setup(t, falsim.Options{})
	accepted := func() int64 { return b.sim.Stats().Accepted }

	b.rule(falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActAnswer, Status: 503, Body: "<html>", Headers: map[string]string{"Content-Type": "text/html"}, Skip: 1, Times: 2})
	require.Equal(t, 200, b.do("POST", submit, `{"prompt":"x"}`).status)

	for range 2 {
		r := b.do("POST", submit, `{"prompt":"x"}`)
		require.Equal(t, 503, r.status)
		require.Equal(t, "text/html", r.header.Get("Content-Type"))
	}

	require.Equal(t, 200, b.do("POST", submit, `{"prompt":"x"}`).status)
	require.EqualValues(t, 2, accepted())

	b.rule(falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActDrop})
	require.Equal(t, "error", <-b.try("POST", submit, `{"prompt":"x"}`))
	require.EqualValues(t, 2, accepted(), "dropped before it acted")

	b.rule(falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActLose})
	require.Equal(t, "error", <-b.try("POST", submit, `{"prompt":"x"}`))
	require.EqualValues(t, 3, accepted(), "lost after it acted")

	id := b.rule(falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActWithhold})
	reply := b.try("POST", submit, `{"prompt":"x"}`)
	b.held(id)
	require.EqualValues(t, 4, accepted(), "accepted while the reply is withheld")
	b.sim.Release(id)
	require.Contains(t, <-reply, "200 ")

	id = b.rule(falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActHang})
	reply = b.try("POST", submit, `{"prompt":"x"}`)
	b.held(id)
	require.EqualValues(t, 4, accepted(), "nothing yet")
	b.sim.Release(id)
	require.Contains(t, <-reply, "200 ")
	require.EqualValues(t, 5, accepted())

	b.rule(falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActTruncate})
	require.Regexp(t, "^200 .* false$", <-b.try("POST", submit, `{"prompt":"x"}`))

	b.rule(falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActHalve})
	r := b.do("POST", submit, `{"prompt":"x"}`)
	require.Equal(t, 200, r.status)
	require.Nil(t, r.body, "half of it is no JSON")

	_, err := b.sim.AddRule(falsim.Rule{Route: "nowhere", Action: falsim.ActDrop})
	require.Error(t, err)
}

func TestRules_StallADownload(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x","image_size":"square"}`)
	b.clock.Move(time.Second)

	file := strings.TrimPrefix(b.images(accepted)[0], b.url)
	whole := <-b.try("GET", file, "")
	id := b.rule(falsim.Rule{Route: falsim.RouteMedia, Action: falsim.ActStall})
	reply := b.try("GET", file, "")

	b.held(id)
	require.Empty(t, reply, "half of it has come")
	b.sim.Release(0)
	require.Equal(t, whole, <-reply)

	b.rule(falsim.Rule{Route: falsim.RouteMedia, Action: falsim.ActSlow, DelayMS: 1})
	require.Equal(t, whole, <-b.try("GET", file, ""))

	b.sim.SetKnobs(func(k *falsim.Knobs) { k.Media = "truncated" })
	require.Regexp(t, "^200 .* false$", <-b.try("GET", file, ""))
}

func TestControl_ShowsAndTurns(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{})
	control := httptest.NewServer(b.sim.Control())
	t.Cleanup(control.Close)

	r := b.do("PUT", control.URL+"/_control/knobs", `{"slots":1,"duration_ms":5000}`)
	require.Equal(t, http.StatusOK, r.status)
	require.InDelta(t, 5000, r.body["duration_ms"], 0)

	for _, slip := range []string{
		`{"slotz":1}`, `{"slots":-1}`, `{"jitter":1.5}`, `{"jwks":"lat"}`, `{"media":"nope"}`, `{"ending":"nope"}`,
		`{"webhook_fault":"nope"}`, `{"chaos":{"share":2}}`, `{"chaos":{"only":["submit/nope"]}}`, `{"chaos":{"hold_ms":-1}}`, `{"fail_every_nth":-2}`,
	} {
		before := b.sim.Knobs()
		require.Equal(t, http.StatusBadRequest, b.do("PUT", control.URL+"/_control/knobs", slip).status, slip)
		require.Equal(t, before, b.sim.Knobs(), slip)
	}

	require.Equal(t, http.StatusOK, b.do("PUT", control.URL+"/_control/knobs", `{"chaos":{"only":["submit","lose","result/halve"]},"clock_skew_ms":-5}`).status)
	require.Equal(t, http.StatusOK, b.do("PUT", control.URL+"/_control/knobs", `{"chaos":{"only":[]},"clock_skew_ms":0}`).status)
	require.Equal(t, 1, b.sim.Knobs().Slots)

	require.Equal(t, http.StatusCreated, b.do("POST", control.URL+"/_control/rules", `{"route":"submit","action":"answer","status":429}`).status)
	require.Equal(t, http.StatusBadRequest, b.do("POST", control.URL+"/_control/rules", `{"route":"submit","action":"explode"}`).status)
	require.Equal(t, http.StatusBadRequest, b.do("POST", control.URL+"/_control/rules", `{"route":"submit","action":"answer","status":42}`).status)
	require.Equal(t, http.StatusBadRequest, b.do("POST", control.URL+"/_control/rules/first/release", "").status)
	require.Equal(t, 429, b.do("POST", "/queue/fal-ai/flux/dev", `{"prompt":"a fox"}`).status)

	raw := string(b.do("GET", control.URL+"/_control/requests?route=submit", "").raw)
	require.Contains(t, raw, "a fox")
	require.Contains(t, raw, `"status":429`)
	require.Contains(t, raw, "[masked]")
	require.NotContains(t, raw, testKey)

	require.InDelta(t, 1, b.do("GET", control.URL+"/_control/stats", "").body["submits"], 0)
	require.Equal(t, "[]", string(b.do("GET", control.URL+"/_control/deliveries", "").raw))
	require.Contains(t, string(b.do("GET", control.URL+"/", "").raw), "control surface")

	require.Equal(t, http.StatusNoContent, b.do("POST", control.URL+"/_control/reset", "").status)
	require.Zero(t, b.sim.Stats().Submits)
	require.Zero(t, b.sim.Knobs().Slots)
}

// The page shows what came in; a picture on it is no call, and is not spoiled.
func TestControl_ShowsPictures(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	control := httptest.NewServer(b.sim.Control())
	t.Cleanup(control.Close)

	for _, prompt := range []string{"a fox", "a wolf"} {
		b.submit("fal-ai/flux/dev", `{"prompt":"`+prompt+`","image_size":"square"}`, "X-Fal-Object-Lifecycle-Preference", `{"expiration_duration_seconds":60}`)
		b.clock.Move(time.Second)
	}

	b.only("media")

	pictures := b.sim.Pictures(10)
	require.Len(t, pictures, 2)
	require.Equal(t, "a wolf", pictures[0].Prompt, "the newest first")
	require.Len(t, b.sim.Pictures(1), 1)

	r := b.do("GET", control.URL+"/_control/pictures/"+pictures[0].Path, "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, "image/png", r.header.Get("Content-Type"))
	require.Equal(t, http.StatusNotFound, b.do("GET", control.URL+"/_control/pictures/a/b", "").status)
	require.Zero(t, b.sim.Stats().Media)

	b.clock.Move(time.Minute + time.Second)
	require.True(t, b.sim.Pictures(1)[0].Gone)
	require.Contains(t, string(b.do("GET", control.URL+"/_control/pictures?last=1", "").raw), `"gone":true`)

	last := string(b.do("GET", control.URL+"/_control/requests?last=1", "").raw)
	require.Contains(t, last, "a wolf")
	require.NotContains(t, last, "a fox")
	require.Contains(t, string(b.do("GET", control.URL+"/_control/faults", "").raw), `"name":"lose"`)
}

// A client that watched before a reset has kept ids and keys: neither may come again for something else.
func TestReset_RepeatsNoID(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, Seed: 7})
	first := b.submit("fal-ai/flux/dev", `{"prompt":"a fox"}`)
	keys := string(b.do("GET", "/rest/.well-known/jwks.json", "").raw)

	b.sim.Reset()
	require.NotEqual(t, first["request_id"], b.submit("fal-ai/flux/dev", `{"prompt":"a fox"}`)["request_id"])
	require.Equal(t, keys, string(b.do("GET", "/rest/.well-known/jwks.json", "").raw))
}

func TestPlatform_FindsAndErases(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	start := b.clock.Now()

	var last map[string]any

	for range 5 {
		b.clock.Move(time.Second)
		last = b.submit("fal-ai/flux/dev", `{"prompt":"secret words"}`)
		b.submit("fal-ai/flux/schnell", `{"prompt":"x"}`)
	}

	find := func(query string) reply {
		return b.do("GET", "/v1/models/requests/by-endpoint?endpoint_id=fal-ai/flux/dev"+query, "")
	}

	r := find("")
	require.Len(t, r.body["items"], 5)
	require.NotContains(t, string(r.raw), "secret words")

	items, _ := r.body["items"].([]any)
	newest, _ := items[0].(map[string]any)
	require.Equal(t, last["request_id"], newest["request_id"])
	require.Nil(t, newest["ended_at"])
	require.Equal(t, start.Add(5*time.Second).Format(time.RFC3339), newest["sent_at"])

	r = find("&limit=2")
	require.Len(t, r.body["items"], 2)
	require.Equal(t, true, r.body["has_more"])
	r = find("&limit=2&cursor=Mg==")
	require.Len(t, r.body["items"], 1)
	require.Equal(t, false, r.body["has_more"])

	require.Len(t, find("&start=" + start.Add(2*time.Second).Format(time.RFC3339) + "&end=" + start.Add(3*time.Second).Format(time.RFC3339)).body["items"], 2)
	require.Len(t, find("&status=success").body["items"], 4)
	require.Equal(t, http.StatusBadRequest, find("&limit=101").status)

	b.clock.Move(time.Second)

	file, erase := b.images(last)[0], "/v1/models/requests/"+link(last, "request_id")+"/payloads"
	b.sim.SetKnobs(func(k *falsim.Knobs) { k.EraseFails = true })
	require.NotContains(t, string(b.do("DELETE", erase, "").raw), `"exception":null`)
	require.Equal(t, http.StatusOK, b.do("GET", file, "").status)

	b.sim.SetKnobs(func(k *falsim.Knobs) { k.EraseFails = false })
	require.JSONEq(t, `{"cdn_delete_results":[{"exception":null,"link":"`+file+`"}]}`, string(b.do("DELETE", erase, "").raw))
	require.Equal(t, http.StatusNotFound, b.do("GET", file, "").status)
	require.Equal(t, http.StatusNotFound, b.do("GET", link(last, "response_url"), "").status)
	require.Equal(t, http.StatusNotFound, b.do("DELETE", "/v1/models/requests/unknown/payloads", "").status)
}

func TestPlatform_KnowsPricesAndBalance(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{UserID: "user_me"})

	require.JSONEq(t, `{"prices":[{"endpoint_id":"fal-ai/flux/dev","unit_price":0.025,"unit":"megapixel","currency":"USD"}],"next_cursor":null,"has_more":false}`,
		string(b.do("GET", "/v1/models/pricing?endpoint_id=fal-ai/flux/dev&endpoint_id=unknown", "").raw))
	require.JSONEq(t, `{"username":"me","credits":{"current_balance":24.5,"currency":"USD"}}`, string(b.do("GET", "/v1/account/billing?expand=credits", "").raw))
	require.Contains(t, b.do("GET", "/v1/meta", "").body, "webhook_ip_ranges")
}
