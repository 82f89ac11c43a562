package apptest_test

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/picture/picturetest"
	"imagerun/internal/simulators/falsim"
)

// TestReference makes pictures of a photo: the vendor reads it by a short link, in its size or in
// one of ours, and another user's photo is a field that is wrong.
func TestReference(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 100 * time.Millisecond}})
	u, other := p.SignUp(t, ""), p.SignUp(t, "")
	photo := u.Upload(t, "image/jpeg", picturetest.JPEGWithMetadata(picturetest.Gradient(640, 480), picturetest.EXIF(6, binary.BigEndian)))
	body := func(model string, more map[string]any) map[string]any {
		in := map[string]any{"model": model, "prompt": "the same in oil", "reference": map[string]any{"upload_id": photo.ID, "strength": 0.5}}
		maps.Copy(in, more)

		return in
	}

	for model, want := range map[string][2]int{"flux-dev": {480, 640}, "z-image-turbo": {432, 576}, "qwen-image": {656, 880}} {
		g := u.Await(t, u.Submit(t, body(model, nil)).ID, time.Minute)
		require.Equal(t, "succeeded", g.Status, "%s: %v", model, g.Failure)
		require.Equal(t, want, [2]int{g.Parameters.Width, g.Parameters.Height}, model)
	}

	for name, c := range map[string]struct {
		user    *apptest.User
		body    map[string]any
		pointer string
	}{
		"another's":              {other, body("flux-dev", nil), "#/reference/upload_id"},
		"a model without":        {u, body("flux-schnell", nil), "#/reference"},
		"strength out of range":  {u, body("flux-dev", map[string]any{"reference": map[string]any{"upload_id": photo.ID, "strength": 0.001}}), "#/reference/strength"},
		"strength beyond one":    {u, body("flux-dev", map[string]any{"reference": map[string]any{"upload_id": photo.ID, "strength": 1.5}}), "#/reference/strength"},
		"a size that it has not": {u, body("flux-dev", map[string]any{"aspect_ratio": "1:1"}), "#/reference"},
		"a fallback without":     {u, body("flux-dev", map[string]any{"fallback_models": []string{"flux-schnell"}}), "#/fallback_models/0"},
	} {
		status, problem := c.user.Refused(t, http.MethodPost, "/v1/generations", c.body)
		require.Equal(t, http.StatusUnprocessableEntity, status, name)
		require.Len(t, problem.Errors, 1, name)
		require.Equal(t, c.pointer, problem.Errors[0].Pointer, name)
	}

	require.EqualValues(t, 3, p.Fal.Stats().Submits, "a refusal has not asked the provider")

	// What is deleted can be used no more, and what was made of it stays.
	require.Equal(t, http.StatusNoContent, u.Do(t, http.MethodDelete, "/v1/uploads/"+photo.ID, nil, nil).StatusCode)

	status, _ := u.Refused(t, http.MethodPost, "/v1/generations", body("flux-dev", nil))
	require.Equal(t, http.StatusUnprocessableEntity, status)

	p.Quiet(t)
	p.CheckObjects(t)
}

// TestReference_AnEstimateIsNoUse keeps a user to one upload that no generation uses: neither asking
// what one would cost, nor one that is canceled or deleted again, makes room for another.
func TestReference_AnEstimateIsNoUse(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{
		Config: map[string]string{"upload.max_open": "1"},
	})
	u := p.SignUp(t, "")
	photo := u.Upload(t, "image/png", picturetest.PNG(picturetest.Gradient(640, 480)))
	body := map[string]any{"model": "flux-dev", "prompt": "the same in oil", "reference": map[string]any{"upload_id": photo.ID}}
	another := func() int {
		return u.Do(t, http.MethodPost, "/v1/uploads", map[string]any{"content_type": "image/png", "bytes": 9}, nil).StatusCode
	}

	require.Equal(t, http.StatusTooManyRequests, another())
	require.Equal(t, http.StatusOK, u.Do(t, http.MethodPost, "/v1/estimates", body, nil).StatusCode)
	require.Equal(t, http.StatusTooManyRequests, another(), "an estimate made room")

	g := u.Await(t, u.Submit(t, body).ID, time.Minute)
	require.Equal(t, "succeeded", g.Status)

	require.Equal(t, http.StatusNoContent, u.Do(t, http.MethodDelete, "/v1/generations/"+g.ID, nil, nil).StatusCode)
	p.Quiet(t)
	require.Equal(t, http.StatusTooManyRequests, another(), "a generation that is gone made room")

	// One that would run for a minute is stopped before it ends.
	p.Fal.SetKnobs(func(k *falsim.Knobs) { k.DurationMS, k.CancelStops = 60_000, true })

	g = u.Submit(t, body)
	require.Equal(t, http.StatusOK, u.Do(t, http.MethodPost, "/v1/generations/"+g.ID+"/cancel", nil, nil).StatusCode)
	require.Equal(t, "canceled", u.Await(t, g.ID, time.Minute).Status)
	p.Quiet(t)
	p.Fal.SetKnobs(func(k *falsim.Knobs) { k.DurationMS = 50 })
	require.Equal(t, http.StatusTooManyRequests, another(), "a generation that was canceled made room")

	require.Equal(t, "succeeded", u.Await(t, u.Submit(t, body).ID, time.Minute).Status)
	require.Equal(t, http.StatusCreated, another())
	p.Quiet(t)
}

// TestProgress watches one generation whose result comes by notice, so that no worker would ask in
// between: because a client watches, progress is as the model says, and only rises.
func TestProgress(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{
		Config: map[string]string{"generation.collect_without_webhook": "200ms"},
		Fal:    falsim.Options{Duration: 10 * time.Second}, // progress is told once a second at most
	})
	u := p.SignUp(t, "")
	g := u.Submit(t, map[string]any{"width": 256, "height": 256})

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/v1/generations/"+g.ID+"/events", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+u.Key)

	reply, err := (&http.Client{Timeout: time.Minute}).Do(r)
	require.NoError(t, err)
	defer reply.Body.Close()

	var seen []float64

	lines := bufio.NewScanner(reply.Body)
	lines.Buffer(nil, 1<<20)

	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}

		var e struct {
			Status     string
			Progress   *float64 // the first message is the generation itself
			Generation *struct{ Progress *float64 }
		}

		require.NoError(t, json.Unmarshal([]byte(data), &e))

		if e.Status == "running" && e.Generation != nil && e.Generation.Progress != nil {
			seen = append(seen, *e.Generation.Progress)
		}
	}

	require.GreaterOrEqual(t, len(seen), 3, "%v", seen)
	require.True(t, slices.IsSorted(seen), "%v", seen)
	require.Greater(t, seen[len(seen)-1], 0.4)
	require.Equal(t, "succeeded", u.Await(t, g.ID, time.Minute).Status)
}
