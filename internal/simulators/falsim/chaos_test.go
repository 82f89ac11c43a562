package falsim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

// only lets one fault happen, always; nothing if it is empty.
func (b *bundle) only(what string) {
	b.sim.SetKnobs(func(k *falsim.Knobs) {
		k.Chaos.Share, k.Chaos.Only, k.Chaos.HoldMS = 0, nil, 1
		if what != "" {
			k.Chaos.Share, k.Chaos.Only = 1, []string{what}
		}
	})
}

// of lists the faults of a route.
func of(route string) []falsim.Fault {
	return slices.DeleteFunc(falsim.Faults(), func(d falsim.Fault) bool { return !slices.Contains(d.Routes, route) })
}

// Every fault of every call spoils the reply, acts or not as the table says, and leaves
// a simulator that works.
func TestChaos_SpoilsEveryCallAsTheTableSays(t *testing.T) {
	t.Parallel()

	harmless := []string{falsim.ActHang, falsim.ActWithhold, falsim.ActStall, falsim.ActSlow}

	for _, d := range of(falsim.RouteSubmit) {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, falsim.Options{})
			plain := string(b.do("POST", "/queue/fal-ai/flux/dev", `{"prompt":"x"}`).raw)

			b.only("submit/" + d.Name)
			reply, fits := b.attempt("POST", "/queue/fal-ai/flux/dev", `{"prompt":"x"}`)
			before := b.sim.Stats()
			b.only("")

			require.Equal(t, map[string]int64{"submit/" + d.Name: 1}, before.Faults)
			require.Equal(t, 1+map[bool]int64{true: 1}[d.Acts], before.Accepted)
			require.Equal(t, d.Name, b.sim.Requests(falsim.RouteSubmit)[1].Fault)

			good := fits && reply.status == http.StatusOK && reply.header.Get("Content-Type") == "application/json" &&
				len(reply.raw) == len(plain) && strings.Count(string(reply.raw), "/queue/") == 3
			require.Equal(t, slices.Contains(harmless, d.Name), good, "%v %s", reply.header, reply.raw[:min(200, len(reply.raw))])
			require.Equal(t, http.StatusOK, b.do("POST", "/queue/fal-ai/flux/dev", `{"prompt":"x"}`).status)
		})
	}
}

// attempt makes a call that may fail, and reports whether its reply came whole.
func (b *bundle) attempt(method, path, body string) (reply, bool) {
	b.t.Helper()

	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+strings.TrimPrefix(path, b.url), strings.NewReader(body))
	require.NoError(b.t, err)
	req.Header.Set("Authorization", "Key "+testKey)

	transport := &http.Transport{DisableKeepAlives: true}

	res, err := transport.RoundTrip(req)
	if err != nil {
		return reply{}, false
	}

	out := reply{status: res.StatusCode, header: res.Header}
	out.raw, err = readAll(res)
	_ = json.Unmarshal(out.raw, &out.body)

	return out, err == nil
}

func TestChaos_PoisonsPictures(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x","image_size":"square"}`)
	b.clock.Move(time.Second)
	file := b.images(accepted)[0]
	whole := b.do("GET", file, "").raw

	for _, d := range of(falsim.RouteMedia) {
		b.only("media/" + d.Name)

		got, fits := b.attempt("GET", file, "")
		taken := fits && got.status == http.StatusOK && string(got.raw) == string(whole) && got.header.Get("Content-Type") == "image/jpeg"
		require.Equal(t, slices.Contains([]string{falsim.ActHang, falsim.ActWithhold, falsim.ActStall, falsim.ActSlow}, d.Name), taken, d.Name)
	}

	b.only("")

	for _, name := range falsim.Poisons() {
		b.rule(falsim.Rule{Route: falsim.RouteMedia, Action: falsim.ActPoison, Variant: name})

		got, fits := b.attempt("GET", file, "")
		require.False(t, fits && got.status == http.StatusOK && string(got.raw) == string(whole) && got.header.Get("Content-Type") == "image/jpeg", name)
	}

	_, err := b.sim.AddRule(falsim.Rule{Route: falsim.RouteMedia, Action: falsim.ActPoison, Variant: "arsenic"})
	require.Error(t, err)
}

func TestChaos_EndsRequestsInEveryWay(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})

	for _, name := range falsim.Endings() {
		b.sim.SetKnobs(func(k *falsim.Knobs) { k.Ending = name })
		accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x","num_images":2,"seed":7}`, "X-Fal-No-Retry", "1")
		b.clock.Move(time.Second)

		s := b.do("GET", link(accepted, "status_url"), "")
		require.Equal(t, "COMPLETED", s.body["status"], name)

		r := b.do("GET", link(accepted, "response_url"), "")
		images, _ := r.body["images"].([]any)
		usual := r.status == http.StatusOK && len(images) == 2 && fmt.Sprint(r.body["seed"], r.body["has_nsfw_concepts"]) == "7 [false false]" &&
			len(r.body) == 5 && strings.Count(string(r.raw), b.url+"/files/b/") == 2 && strings.Count(string(r.raw), `"width":1024`) == 2
		require.False(t, usual, "%s: %s", name, r.raw[:min(len(r.raw), 500)])
	}

	b = setup(t, falsim.Options{Duration: time.Second, Knobs: falsim.Knobs{Ending: "fewer", EndingEveryNth: 2}})

	for _, want := range []int{2, 1, 2} {
		accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x","num_images":2}`)
		b.clock.Move(time.Second)
		require.Len(t, b.images(accepted), want)
	}
}

// The share is met, every fault comes, the same seed gives the same, and what was chosen
// can be counted.
func TestChaos_IsSeededAndMeetsEverything(t *testing.T) {
	t.Parallel()

	run := func(seed uint64) map[string]int64 {
		b := setup(t, falsim.Options{Knobs: falsim.Knobs{Chaos: falsim.Chaos{Share: 0.5, Seed: seed, HoldMS: 1, Except: []string{"flood", "gzip_bomb"}}}})

		for range 200 {
			b.attempt("POST", "/queue/fal-ai/flux/dev", `{"prompt":"x"}`)
			b.attempt("GET", "/v1/meta", "")
		}

		s := b.sim.Stats()
		require.EqualValues(t, 400, s.Submits+s.Other)

		var total int64

		for _, route := range []string{falsim.RouteSubmit, falsim.RouteMeta} {
			var n int64

			for _, d := range of(route) {
				got := s.Faults[route+"/"+d.Name]
				require.Equal(t, d.Name != "flood" && d.Name != "gzip_bomb", got > 0, "%s/%s", route, d.Name)

				n += got
			}

			require.InDelta(t, 100, n, 35, route)

			total += n
		}

		require.EqualValues(t, 400, s.Considered)

		for _, n := range s.Faults {
			total -= n
		}

		require.Zero(t, total, "nothing else was spoiled")

		return s.Faults
	}

	first, second := run(3), run(3)
	require.Equal(t, first, second)
	require.NotEqual(t, first, run(4))
}

// Polls do not push the submits out of the record, and it stays within its bound.
func TestChaos_KeepsTheRecordOfTheRareCalls(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{MaxLog: 100})
	for range 20 {
		b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)
	}

	for range 500 {
		b.do("GET", "/v1/meta", "")
	}

	require.Len(t, b.sim.Requests(falsim.RouteSubmit), 20)
	require.LessOrEqual(t, len(b.sim.Requests("")), 100)
	require.EqualValues(t, 520, b.sim.Requests("")[len(b.sim.Requests(""))-1].N)
}

// Many callers at once, on the real clock: nothing hangs, and the simulator can be closed.
func TestChaos_StandsManyCallers(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)

	hook := "?fal_webhook=" + url.QueryEscape(server.URL)
	sim := falsim.New(falsim.Options{
		Key: testKey, Seed: 5, Duration: time.Millisecond, AllowPrivateCallbacks: true,
		Knobs: falsim.Knobs{Chaos: falsim.Chaos{Share: 0.3, HoldMS: 5, Except: []string{"flood", "gzip_bomb", "huge", "bomb", "storm", "long_result"}}},
	})
	b := serve(t, sim)

	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 40 {
				accepted, _ := b.attempt("POST", "/queue/fal-ai/flux/dev"+hook, `{"prompt":"x","image_size":{"width":8,"height":8}}`)
				id, _ := accepted.body["request_id"].(string)

				for _, end := range []string{"/status", "", "/cancel"} {
					b.attempt(map[bool]string{true: "PUT", false: "GET"}[end == "/cancel"], "/queue/fal-ai/flux/requests/"+id+end, "")
				}
			}
		})
	}

	callers.Wait()
	require.EqualValues(t, 320, sim.Stats().Submits)
	require.Positive(t, sim.Stats().Faults["webhook/lost"]+sim.Stats().Faults["webhook/forged"])
}
