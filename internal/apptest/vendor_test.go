package apptest_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/simulators/falsim"
)

// vendorRow is one thing that the vendor does wrong, once, and what a user sees of it.
type vendorRow struct {
	route, name string
	status      string // empty: succeeded
	code        string
}

// unusual lists what is not simply made good. Everything that befalls a call is; what is left is
// how the request itself ended.
func unusual() map[string]vendorRow {
	rows := map[string]vendorRow{
		// The endpoint is not there: nothing that waiting could change.
		"submit/http_404": {status: "failed", code: "provider_error"},

		"ending/nsfw":                     {status: "blocked", code: "output_blocked"},
		"ending/content_policy_violation": {status: "blocked", code: "prompt_rejected"},
		"ending/no_media_generated":       {status: "failed", code: "no_image"},
	}

	// About the input, and without a reference about its size.
	for _, name := range []string{
		"image_too_small", "image_too_large", "image_load_error", "file_download_error", "face_detection_error", "file_too_large",
		"unsupported_image_format", "greater_than", "greater_than_equal", "less_than", "less_than_equal", "multiple_of",
		"sequence_too_short", "sequence_too_long", "one_of", "feature_not_supported", "string_detail", "no_detail", "pydantic_1",
		"pydantic_2", "bad_request", "missing", "value_error.missing",
	} {
		rows["ending/"+name] = vendorRow{status: "failed", code: "invalid_request"}
	}

	// Nothing that could be stored came of it.
	for _, name := range []string{"no_images", "null_images", "foreign_link", "private_link", "file_link", "relative_link", "empty_link", "broken_data", "fewer"} {
		rows["ending/"+name] = vendorRow{status: "failed", code: "no_image"}
	}

	return rows
}

// TestProve_Vendor has everything go wrong at the vendor that the simulator knows, each once, with one
// generation: it ends as its row says, costs as many calls as it must, and leaves nothing behind.
func TestProve_Vendor(t *testing.T) {
	t.Parallel()

	routes := map[string][]falsim.Fault{}

	for _, d := range falsim.Faults() {
		for _, route := range d.Routes {
			routes[route] = append(routes[route], d)
		}
	}

	rows := unusual()

	for _, shard := range [][]string{
		{falsim.RouteSubmit, falsim.RouteErase}, {falsim.RouteStatus, falsim.RouteFind},
		{falsim.RouteResult, falsim.RouteWebhook, falsim.RouteCancel}, {falsim.RouteMedia}, {falsim.RouteEnding},
	} {
		t.Run(strings.Join(shard, "_"), func(t *testing.T) {
			t.Parallel()

			p := apptest.Start(t, apptest.Options{
				Workers: 1,
				Config: map[string]string{
					"generation.unknown_wait": "300ms", "generation.collect_first": "1s", "generation.collect_every": "1s",
					"generation.collect_without_webhook": "100ms", "generation.deadline": "60s",
				},
				Fal: falsim.Options{Seed: 1, Duration: 50 * time.Millisecond, Knobs: falsim.Knobs{Chaos: falsim.Chaos{HoldMS: 300}}},
			})
			u := p.SignUp(t, "studio")

			for _, route := range shard {
				for i, d := range routes[route] {
					if !proving() && i%4 != 0 {
						continue // the short form meets a quarter of each
					}

					row := rows[route+"/"+d.Name]
					row.route, row.name = route, d.Name
					row.run(t, p, u)
				}
			}

			p.Quiet(t)
			p.CheckObjects(t)
			require.Zero(t, p.Count(t, `select count(*) from job`))
			require.Zero(t, p.Fal.Stats().Trapped, "a redirect or a false link was followed")
		})
	}
}

func (r vendorRow) run(t *testing.T, p *apptest.Product, u *apptest.User) {
	t.Helper()

	name, before := r.route+"/"+r.name, p.Fal.Stats()
	p.Fal.SetKnobs(func(k *falsim.Knobs) {
		k.Chaos.Share, k.Chaos.Only = 1, []string{name}
		k.LoseEveryNth = 0

		if r.route == falsim.RouteFind || r.route == falsim.RouteStatus {
			k.LoseEveryNth = 1 // no webhook comes: the worker has to ask
		}
	})

	once := func() bool { return p.Fal.Stats().Faults[name] > before.Faults[name] }

	switch r.route {
	case falsim.RouteFind:
		_, err := p.Fal.AddRule(falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActLose})
		require.NoError(t, err)
	case falsim.RouteCancel:
		p.Fal.SetKnobs(func(k *falsim.Knobs) { k.DurationMS, k.CancelStops = 3000, true })
	}

	g := u.Submit(t, map[string]any{"width": 256, "height": 256})

	if r.route == falsim.RouteCancel {
		require.Eventually(t, func() bool { return u.Get(t, g.ID).Status == "running" }, 20*time.Second, 10*time.Millisecond)
		require.Equal(t, http.StatusOK, u.Do(t, http.MethodPost, "/v1/generations/"+g.ID+"/cancel", nil, nil).StatusCode)
		p.Fal.SetKnobs(func(k *falsim.Knobs) { k.DurationMS = 50 })

		r.status, r.code = "canceled", "canceled_by_user"
	}

	require.Eventually(t, once, 30*time.Second, 2*time.Millisecond, "%s did not happen", name)
	p.Fal.SetKnobs(func(k *falsim.Knobs) { k.Chaos.Share = 0 })

	t.Logf("%s", name)
	g = u.Await(t, g.ID, time.Minute)
	if r.status == "" {
		r.status = "succeeded"
	}

	require.Equal(t, r.status, g.Status, name)

	if r.code != "" {
		require.NotNil(t, g.Failure, name)
		require.Equal(t, r.code, g.Failure.Code, name)
	}

	stored := slices.ContainsFunc(g.Images, func(i apptest.Image) bool { return i.Status == "stored" })
	require.Equal(t, r.status == "succeeded", stored, name)

	after := p.Fal.Stats()
	attempts := p.Count(t, `select count(*) from provider_attempt a join ai_task t on t.id = a.task_id where 'gen_' || replace(t.id::text, '-', '') = $1`, g.ID)
	require.LessOrEqual(t, after.Submits-before.Submits, int64(attempts), "%s: a submit without an attempt", name)
	require.LessOrEqual(t, attempts, 2, "%s: more submits than one and an ambiguous one", name)
}
