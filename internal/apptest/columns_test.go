package apptest_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/jobs"
	"imagerun/internal/picture/picturetest"
	"imagerun/internal/simulators/falsim"
)

// TestNewColumns is the time between a migration and the last restart: processes that have used all their statements go on
// using them while every table gets columns, and after that.
func TestNewColumns(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 50 * time.Millisecond}})
	u := p.SignUp(t, "studio")

	tour(t, p, u)

	var wg sync.WaitGroup

	wg.Go(func() { tour(t, p, u) })
	devtest.AddColumns(t, p.Pool)
	wg.Wait()

	tour(t, p, u)
	tour(t, p, p.SignUp(t, "studio"))

	p.Quiet(t)
	p.CheckObjects(t)
	require.Zero(t, p.Count(t, `select count(*) from job where state = 'dead'`))

	for line := range strings.Lines(p.Log.String()) {
		require.NotContains(t, line, "SQLSTATE")
		require.NotContains(t, line, `"level":"ERROR"`)
	}
}

// tour does everything that a user can do, has everything done that clocks have done, and looks as an operator does.
func tour(t *testing.T, p *apptest.Product, u *apptest.User) {
	t.Helper()

	ok := func(method, path string, in, out any, header ...string) {
		require.Less(t, u.Do(t, method, path, in, out, header...).StatusCode, 300, "%s %s\n%s", method, path, p.Log)
	}

	photo := u.Upload(t, "image/png", picturetest.PNG(picturetest.Gradient(256, 256)))
	first := u.Submit(t, map[string]any{"num_images": 2})
	watch(t, p, u, first.ID, "")
	require.Equal(t, "succeeded", u.Await(t, first.ID, time.Minute).Status)

	var quote struct{ Quote string }

	ask := map[string]any{"model": "flux-dev", "prompt": "a lighthouse", "reference": map[string]any{"upload_id": photo.ID, "strength": 0.5}}
	ok(http.MethodPost, "/v1/estimates", ask, &quote)

	var second, third apptest.Generation

	ask["quote"] = quote.Quote
	for range 2 {
		ok(http.MethodPost, "/v1/generations", ask, &second, "Idempotency-Key", "tour-"+first.ID, "Prefer", "wait=60")
	}

	ok(http.MethodPost, "/v1/generations/"+first.ID+"/remix", map[string]any{"num_images": 1}, &third)
	require.Less(t, u.Do(t, http.MethodPost, "/v1/generations/"+third.ID+"/cancel", nil, nil).StatusCode, 500)
	u.Await(t, third.ID, time.Minute)
	ok(http.MethodPut, "/v1/generations/"+first.ID+"/favourite", nil, nil)

	for _, filter := range []string{
		"", "status=succeeded", "model=flux-dev", "favourite=true", "remix_of=" + first.ID, "created_after=2020-01-01T00:00:00Z",
		"created_before=2120-01-01T00:00:00Z&limit=1", "starting_after=" + third.ID, "ending_before=" + first.ID,
	} {
		var page struct{ Data []apptest.Generation }

		ok(http.MethodGet, "/v1/generations?"+filter, nil, &page)
		require.NotEmpty(t, page.Data, filter)
	}

	for _, path := range []string{"/v1/credits", "/v1/credits/entries", "/v1/models", "/v1/uploads/" + photo.ID} {
		ok(http.MethodGet, path, nil, nil)
	}

	require.Equal(t, http.StatusOK, u.DoSignedIn(t, http.MethodGet, "/v1/api_keys").StatusCode)

	once, closed := context.WithTimeout(t.Context(), time.Second)
	defer closed()

	everything := &follower{last: "1", status: map[string]string{}}
	everything.watch(once, t, p, u)
	require.Contains(t, everything.status, first.ID)

	files, _ := download(t, p, u, first.ID, second.ID)
	require.Len(t, files, 3)

	ok(http.MethodDelete, "/v1/generations/"+first.ID+"/favourite", nil, nil)
	ok(http.MethodDelete, "/v1/generations/"+first.ID, nil, nil)
	ok(http.MethodPost, "/v1/generations/delete", map[string]any{"ids": []string{second.ID, third.ID}}, nil)
	ok(http.MethodDelete, "/v1/uploads/"+photo.ID, nil, nil)

	for _, s := range jobs.Schedules() {
		args := s.Args(time.Now())
		kind, _ := jobs.Kinds().Policy(args.Kind())

		_, err := p.Pool.Exec(t.Context(), `insert into job (kind, queue, args) values ($1, $2, $3)`, args.Kind(), kind.Queue, args)
		require.NoError(t, err)
	}

	for _, button := range []string{"pause", "resume"} {
		require.Equal(t, http.StatusNoContent, p.Press(t, http.MethodPost, p.OpsURL+"/queues/api/queues/erasure:"+button))
	}

	p.Quiet(t)
}
