package apptest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"image"
	_ "image/jpeg" // decodes thumbnails
	_ "image/png"  // decodes images
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/simulators/falsim"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// proving reports whether the long forms are asked for.
func proving() bool { return os.Getenv("IMAGERUN_PROVE") != "" }

// TestJourney is a person's way through the product: sign up, ask, watch, get, delete.
func TestJourney(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 300 * time.Millisecond}})
	u := p.SignUp(t, "")

	g := u.Submit(t, map[string]any{"aspect_ratio": "16:9", "num_images": 2, "quality": "standard"})

	// Watch: the stream begins with a snapshot, misses nothing and ends by itself.
	events := watch(t, p, u, g.ID, "")
	require.Equal(t, "snapshot", events[0].name)
	require.Equal(t, "succeeded", events[len(events)-1].status)
	require.True(t, strings.HasPrefix(events[0].id, g.ID+":"))

	// A second device that comes later gets what the first saw after that point, and no more.
	again := watch(t, p, u, g.ID, events[0].id)
	require.Len(t, again, len(events)-1)

	g = u.Get(t, g.ID)
	require.Equal(t, "succeeded", g.Status)
	require.Len(t, g.Images, 2)

	// What its owner reads out finds the lines about it: of its end, and of each job.
	for _, want := range []string{`"msg":"generation ended"`, `"kind":"generation.submit"`, `"kind":"generation.collect"`, `"kind":"generation.erase_attempt"`} {
		require.Eventually(t, func() bool {
			return slices.ContainsFunc(strings.Split(p.Log.String(), "\n"), func(line string) bool {
				return strings.Contains(line, want) && strings.Contains(line, g.ID)
			})
		}, 10*time.Second, 20*time.Millisecond, "no line of the log has %s and %s", want, g.ID)
	}

	for _, img := range g.Images {
		w, h, format := decode(t, img.URL)
		require.Equal(t, []any{g.Parameters.Width, g.Parameters.Height, "png"}, []any{w, h, format})
		require.Equal(t, []int{img.Width, img.Height}, []int{w, h})

		w, _, format = decode(t, img.ThumbnailURL)
		require.Equal(t, []any{512, "jpeg"}, []any{w, format})
	}

	// ETag and Prefer: wait.
	reply := u.Do(t, http.MethodGet, "/v1/generations/"+g.ID, nil, nil)
	reply = u.Do(t, http.MethodGet, "/v1/generations/"+g.ID, nil, nil, "If-None-Match", reply.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, reply.StatusCode)

	reply = u.Do(t, http.MethodPost, "/v1/generations", map[string]any{"model": "flux-schnell", "prompt": "x"}, nil, "Prefer", "wait=20")
	require.Equal(t, http.StatusCreated, reply.StatusCode)
	require.Equal(t, "wait=20", reply.Header.Get("Preference-Applied"))

	// The same key is the same generation.
	body := map[string]any{"model": "flux-dev", "prompt": "once"}
	first := u.Do(t, http.MethodPost, "/v1/generations", body, nil, "Idempotency-Key", "k1")
	second := u.Do(t, http.MethodPost, "/v1/generations", body, nil, "Idempotency-Key", "k1")
	require.Equal(t, first.Header.Get("Location"), second.Header.Get("Location"))
	require.Equal(t, "true", second.Header.Get("Idempotent-Replayed"))

	// No other user sees it.
	other := p.SignUp(t, "")
	require.Equal(t, http.StatusNotFound, other.Do(t, http.MethodGet, "/v1/generations/"+g.ID, nil, nil).StatusCode)
	require.Equal(t, http.StatusNotFound, other.Do(t, http.MethodDelete, "/v1/generations/"+g.ID, nil, nil).StatusCode)

	// Deleted: gone for its owner, and everywhere else.
	require.Equal(t, http.StatusNoContent, u.Do(t, http.MethodDelete, "/v1/generations/"+g.ID, nil, nil).StatusCode)
	require.Equal(t, http.StatusGone, u.Do(t, http.MethodGet, "/v1/generations/"+g.ID, nil, nil).StatusCode)
	require.Eventually(t, func() bool {
		return p.Count(t, `select count(*) from ai_task where deleted_at is not null`) == 0
	}, 20*time.Second, 50*time.Millisecond)

	p.Quiet(t)
	p.CheckObjects(t)
	require.Equal(t, p.Fal.Stats().Finished, p.Fal.Stats().Erased, "nothing stays at the provider")
}

// TestOutcomes follows what the provider may answer through the whole product.
func TestOutcomes(t *testing.T) { //nolint:tparallel // Each returns when its parallel tests have ended
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 100 * time.Millisecond}})
	u := p.SignUp(t, "studio")

	t.Run("Each", func(t *testing.T) { outcomes(t, u) })
	p.Quiet(t)
	p.CheckObjects(t)
}

func outcomes(t *testing.T, u *apptest.User) {
	t.Helper()

	for name, c := range map[string]struct {
		body         map[string]any
		status, code string
	}{
		"Blocked":  {map[string]any{"prompt": "something nsfw"}, "blocked", "output_blocked"},
		"Rejected": {map[string]any{"prompt": "something forbidden"}, "blocked", "prompt_rejected"},
		"Four":     {map[string]any{"num_images": 4, "output_format": "webp"}, "succeeded", ""},
		"Jpeg":     {map[string]any{"model": "flux-dev", "width": 512, "height": 768}, "succeeded", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			g := u.Await(t, u.Submit(t, c.body).ID, 30*time.Second)
			require.Equal(t, c.status, g.Status)

			if c.code != "" {
				require.Equal(t, c.code, g.Failure.Code)
			}
		})
	}
}

type event struct{ id, name, status string }

// watch reads a generation's stream to its end.
func watch(t *testing.T, p *apptest.Product, u *apptest.User, id, last string) []event {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/v1/generations/"+id+"/events", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+u.Key)

	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}

	reply, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	require.NoError(t, err)

	defer reply.Body.Close()
	require.Equal(t, "text/event-stream", reply.Header.Get("Content-Type"))

	var (
		all []event
		e   event
	)

	for lines := bufio.NewScanner(reply.Body); lines.Scan(); {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			var data struct{ Status string }

			require.NoError(t, json.Unmarshal([]byte(value), &data))
			e.status = data.Status
			all = append(all, e)
		}
	}

	require.NotEmpty(t, all)

	return all
}

func decode(t *testing.T, url string) (width, height int, format string) {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)

	reply, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	require.NoError(t, err)

	defer reply.Body.Close()

	b, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, reply.StatusCode, string(b))

	img, format, err := image.Decode(bytes.NewReader(b))
	require.NoError(t, err)

	return img.Bounds().Dx(), img.Bounds().Dy(), format
}
