package apptest_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"image"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/simulators/falsim"
)

// follower is one place where a user watches everything that is theirs.
type follower struct {
	snapshots int
	last      string
	numbers   []int64
	status    map[string]string // by generation; "deleted"
}

// watch is connected until ctx ends, and goes on where it stopped when it is called again.
func (w *follower) watch(ctx context.Context, t *testing.T, p *apptest.Product, u *apptest.User) {
	t.Helper()

	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL+"/v1/events", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+u.Key)
	r.Header.Set("Last-Event-ID", w.last)

	reply, err := (&http.Client{}).Do(r)
	if ctx.Err() != nil {
		return
	}

	require.NoError(t, err)
	defer reply.Body.Close()
	require.Equal(t, http.StatusOK, reply.StatusCode)

	var id, name, data string

	lines := bufio.NewScanner(reply.Body)
	lines.Buffer(nil, 1<<20)

	for lines.Scan() {
		switch field, value, _ := strings.Cut(lines.Text(), ": "); field {
		case "id":
			id = value
		case "event":
			name = value
		case "data":
			data = value
		case "": // it is whole: what a connection ends in the middle of is no event (HTML, "Server-sent events")
			if data != "" {
				w.take(t, id, name, data)
			}

			data = ""
		}
	}
}

func (w *follower) take(t *testing.T, id, name, data string) {
	t.Helper()

	var d struct {
		GenerationID string `json:"generation_id"`
		Status       string
		Generations  []struct{ ID, Status string }
	}

	require.NoError(t, json.Unmarshal([]byte(data), &d))

	n, err := strconv.ParseInt(id, 10, 64)
	require.NoError(t, err)

	switch name {
	case "snapshot":
		w.snapshots++
		w.status = map[string]string{}

		for _, g := range d.Generations {
			w.status[g.ID] = g.Status
		}
	case "deleted":
		w.status[d.GenerationID] = "deleted"
	default:
		w.status[d.GenerationID] = d.Status
	}

	w.last, w.numbers = id, append(w.numbers, n)
}

// TestEvents_TabsAndDevices closes and reopens one tab again and again while another stays open:
// both see everything, once, and agree in the end.
func TestEvents_TabsAndDevices(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 200 * time.Millisecond}})
	u := p.SignUp(t, "studio")

	// Both are open before there is anything: a page is, when one signs in.
	open, reopened := &follower{}, &follower{}
	ctx, end := context.WithCancel(t.Context())
	defer end()

	var tabs sync.WaitGroup

	tabs.Go(func() { open.watch(ctx, t, p, u) })
	tabs.Go(func() {
		for ctx.Err() == nil {
			once, closed := context.WithTimeout(ctx, time.Duration(50+rand.IntN(400))*time.Millisecond)
			reopened.watch(once, t, p, u)
			closed()
		}
	})

	var ids []string

	for range 20 {
		ids = append(ids, u.Submit(t, map[string]any{"model": "flux-schnell"}).ID)
	}

	require.Equal(t, http.StatusNoContent, u.Do(t, http.MethodDelete, "/v1/generations/"+ids[0], nil, nil).StatusCode)

	for _, id := range ids[1:] {
		require.Equal(t, "succeeded", u.Await(t, id, time.Minute).Status)
	}

	// Until both have what is last: each is looked at only after its stream was ended.
	last := p.Count(t, `select event_sequence from generation_user where user_id = $1`, u.ID)
	caughtUp := func(w *follower) {
		for w.last != strconv.Itoa(last) {
			once, closed := context.WithTimeout(t.Context(), time.Second)
			w.watch(once, t, p, u)
			closed()
		}
	}

	end()
	tabs.Wait()
	caughtUp(open)
	caughtUp(reopened)

	require.Equal(t, open.status, reopened.status)
	require.Len(t, open.status, 20)
	require.Equal(t, "deleted", open.status[ids[0]])

	for _, id := range ids[1:] {
		require.Equal(t, "succeeded", open.status[id])
	}

	for _, w := range []*follower{open, reopened} {
		require.Equal(t, 1, w.snapshots)
		require.True(t, slices.IsSorted(w.numbers))
		require.Len(t, slices.Compact(slices.Clone(w.numbers)), len(w.numbers), "nothing twice")

		missing := p.Count(t, `select count(*) from generation_event e where user_id = $1 and user_sequence > $2 and not user_sequence = any($3)
			and not exists (select from generation_tombstone d where d.task_id = e.task_id)`,
			u.ID, w.numbers[0], w.numbers)
		require.Zero(t, missing)
	}
}

// TestManyAtOnce remixes, stars, downloads and deletes as a gallery does.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 50 * time.Millisecond}})
	u, other := p.SignUp(t, "studio"), p.SignUp(t, "")

	first := u.Await(t, u.Submit(t, map[string]any{"num_images": 4, "prompt": "a lighthouse at dusk"}).ID, time.Minute)

	var remix apptest.Generation

	reply := u.Do(t, http.MethodPost, "/v1/generations/"+first.ID+"/remix", map[string]any{"model": "flux-dev", "num_images": 1}, &remix)
	require.Equal(t, http.StatusAccepted, reply.StatusCode)
	require.Equal(t, "succeeded", u.Await(t, remix.ID, time.Minute).Status)
	require.Equal(t, http.StatusNotFound, other.Do(t, http.MethodPost, "/v1/generations/"+first.ID+"/remix", map[string]any{}, nil).StatusCode)

	require.Equal(t, http.StatusOK, u.Do(t, http.MethodPut, "/v1/generations/"+remix.ID+"/favourite", nil, nil).StatusCode)

	var starred struct{ Data []apptest.Generation }

	u.Do(t, http.MethodGet, "/v1/generations?favourite=true&remix_of="+first.ID, nil, &starred)
	require.Len(t, starred.Data, 1)
	require.Equal(t, remix.ID, starred.Data[0].ID)

	theirs := other.Await(t, other.Submit(t, nil).ID, time.Minute)
	files, manifest := download(t, p, u, first.ID, remix.ID, theirs.ID)
	require.Len(t, files, 5)
	require.Contains(t, manifest, "a lighthouse at dusk")
	require.Contains(t, manifest, `"left_out": [`)
	require.Contains(t, manifest, theirs.ID)

	for name, body := range files {
		_, _, err := image.Decode(bytes.NewReader(body))
		require.NoError(t, err, name)
	}

	var deleted struct{ Data []struct{ ID, Result string } }

	u.Do(t, http.MethodPost, "/v1/generations/delete", map[string]any{"ids": []string{first.ID, remix.ID, theirs.ID}}, &deleted)
	require.Equal(t, []string{"deleted", "deleted", "not_found"}, []string{deleted.Data[0].Result, deleted.Data[1].Result, deleted.Data[2].Result})
	require.Equal(t, http.StatusGone, u.Do(t, http.MethodPost, "/v1/generations/"+first.ID+"/remix", map[string]any{}, nil).StatusCode)
	require.Equal(t, http.StatusNotFound, u.Do(t, http.MethodGet, "/v1/generations/download?id="+first.ID, nil, nil).StatusCode)

	p.Quiet(t)
	p.CheckObjects(t)
	require.Equal(t, 1, p.Count(t, `select count(*) from ai_task`))
}

func download(t *testing.T, p *apptest.Product, u *apptest.User, ids ...string) (files map[string][]byte, manifest string) {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+"/v1/generations/download?id="+strings.Join(ids, "&id="), nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+u.Key)

	reply, err := (&http.Client{Timeout: time.Minute}).Do(r)
	require.NoError(t, err)

	defer reply.Body.Close()

	body, err := io.ReadAll(reply.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, reply.StatusCode, string(body))

	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)

	files = map[string][]byte{}

	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		b, err := io.ReadAll(r)
		require.NoError(t, err)

		files[f.Name] = b
	}

	manifest = string(files["manifest.json"])
	delete(files, "manifest.json")

	return files, manifest
}
