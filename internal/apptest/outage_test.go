package apptest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/apptest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/simulators/falsim"
)

// answerWithin is what every caller is promised that does not ask to wait.
const answerWithin = 5 * time.Second

// asked is a request, and what came of it.
type asked struct {
	method, path, body, bearer string

	status           int
	code, retryAfter string
	took             time.Duration
	err              error
}

// ask sends requests, all at the same time.
func ask(t *testing.T, p *apptest.Product, requests []asked) []asked {
	t.Helper()

	var wg sync.WaitGroup

	for i := range requests {
		wg.Go(func() { requests[i].send(t, p) })
	}

	wg.Wait()

	return requests
}

func (a *asked) send(t *testing.T, p *apptest.Product) {
	t.Helper()

	began := time.Now()
	defer func() { a.took = time.Since(began) }()

	r, err := http.NewRequestWithContext(t.Context(), a.method, p.URL+a.path, strings.NewReader(a.body))
	if err != nil {
		a.err = err

		return
	}

	r.Header.Set("Authorization", "Bearer "+a.bearer)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Prefer", "wait=30")

	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

	reply, err := client.Do(r)
	if err != nil {
		a.err = err

		return
	}
	defer reply.Body.Close()

	var problem struct{ Code string }

	a.status, a.retryAfter = reply.StatusCode, reply.Header.Get("Retry-After")
	if a.status >= http.StatusBadRequest {
		a.err = json.NewDecoder(reply.Body).Decode(&problem)
		a.code = problem.Code
	}
}

func requireUnavailable(t *testing.T, code string, answers []asked) {
	t.Helper()

	for _, a := range answers {
		what := a.method + " " + a.path
		require.NoError(t, a.err, what)
		require.Equal(t, code, a.code, what)
		require.Equal(t, http.StatusServiceUnavailable, a.status, what)
		require.NotEmpty(t, a.retryAfter, what)
		require.Less(t, a.took, answerWithin, what)
	}
}

// TestOutages: whatever of ours does not answer, or refuses, the caller hears within five seconds which one it is and when to
// come back. What does not need it goes on, and so do the clients that stream.
func TestOutages(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Lines: true, Workers: 1, Fal: falsim.Options{Duration: 100 * time.Millisecond}})
	t.Cleanup(func() { p.Lines.Postgres.Heal(); p.Lines.Bucket.Heal(); p.Lines.Auth.Heal() })

	u := p.SignUp(t, "studio")
	id := u.Await(t, u.Submit(t, nil).ID, 30*time.Second).ID
	upload := sent(t, u)
	stream := follow(t, u)

	everything := func() []asked {
		body := `{"model":"z-image-turbo","prompt":"a lighthouse"}`

		return []asked{
			{method: "GET", path: "/v1/generations", bearer: u.Key},
			{method: "GET", path: "/v1/generations", bearer: u.Bearer},
			{method: "GET", path: "/v1/generations/" + id, bearer: u.Key},
			{method: "GET", path: "/v1/generations/" + id + "/events", bearer: u.Key},
			{method: "GET", path: "/v1/generations/download?id=" + id, bearer: u.Key},
			{method: "GET", path: "/v1/events", bearer: u.Key},
			{method: "GET", path: "/v1/models", bearer: u.Key},
			{method: "GET", path: "/v1/credits", bearer: u.Key},
			{method: "GET", path: "/v1/credits/entries", bearer: u.Key},
			{method: "GET", path: "/v1/uploads/" + upload, bearer: u.Key},
			{method: "GET", path: "/v1/api_keys", bearer: u.Bearer},
			{method: "POST", path: "/v1/generations", body: body, bearer: u.Key},
			{method: "POST", path: "/v1/estimates", body: body, bearer: u.Key},
			{method: "POST", path: "/v1/uploads", body: `{"content_type":"image/png","bytes":3}`, bearer: u.Key},
			{method: "POST", path: "/v1/uploads/" + upload + "/complete", bearer: u.Key},
			{method: "PUT", path: "/v1/generations/" + id + "/favourite", bearer: u.Key},
			{method: "DELETE", path: "/v1/generations/" + id, bearer: u.Key},
		}
	}

	p.Lines.Postgres.Freeze()
	requireUnavailable(t, "database_unavailable", ask(t, p, everything()))
	requireUnavailable(t, "database_unavailable", ask(t, p, everything())) // those before have given their connections up
	p.Lines.Postgres.Heal()
	awaitAnswers(t, p, u)

	p.Lines.Postgres.Refuse()
	requireUnavailable(t, "database_unavailable", ask(t, p, everything()))
	p.Lines.Postgres.Heal()
	awaitAnswers(t, p, u)

	p.Lines.Bucket.Freeze()
	requireUnavailable(t, "storage_unavailable", ask(t, p, []asked{
		{method: "POST", path: "/v1/uploads/" + upload + "/complete", bearer: u.Key},
		{method: "GET", path: "/v1/generations/download?id=" + id, bearer: u.Key},
	}))
	require.Equal(t, http.StatusOK, ask(t, p, []asked{{method: "GET", path: "/v1/generations/" + id, bearer: u.Key}})[0].status)
	p.Lines.Bucket.Heal()

	p.Lines.Auth.Freeze()
	requireUnavailable(t, "auth_unavailable", ask(t, p, []asked{
		{method: "POST", path: "/api/auth/sign-in/email", body: `{"email":"nobody@example.com","password":"correct horse"}`, bearer: "none"},
	}))
	require.Equal(t, http.StatusOK, ask(t, p, []asked{{method: "GET", path: "/v1/generations/" + id, bearer: u.Bearer}})[0].status)
	p.Lines.Auth.Heal()

	require.GreaterOrEqual(t, p.Metric(t, p.OpsURL, "imagerun_http_unavailable_total"), float64(3*len(everything())+3))
	require.NotContains(t, p.Log.String(), "request_abandoned")
	require.NotContains(t, p.Log.String(), "internal_error")

	u.Submit(t, nil)
	require.Eventually(t, func() bool { return strings.Contains(stream.String(), "event: change") }, 20*time.Second, 50*time.Millisecond)
}

// TestReadiness: a worker without Redis takes no jobs, and says so, whenever it was lost; an api without its bucket serves
// nearly everything, and says what it cannot.
func TestReadiness(t *testing.T) {
	t.Parallel()

	redis := devtest.OwnRedis(t)
	p := apptest.Start(t, apptest.Options{Lines: true, Workers: -1, Redis: redis.URL})
	worker := "http://" + p.Run(t, app.Worker()).Private

	t.Cleanup(p.Lines.Bucket.Heal)

	says := func(opsURL string, status int, words ...string) {
		t.Helper()
		require.Eventually(t, func() bool {
			got, body := p.Ops(t, opsURL+"/readyz")

			return got == status && !slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(body, w) })
		}, 20*time.Second, 50*time.Millisecond, "%v", words)
	}

	says(worker, http.StatusOK, `"status":"ready"`)
	redis.Pause()
	says(worker, http.StatusServiceUnavailable, `"status":"not_ready"`, `"redis":"did not answer`)
	says(p.OpsURL, http.StatusOK, `"status":"ready"`)
	redis.Continue()
	says(worker, http.StatusOK, `"status":"ready"`)

	redis.Kill()
	says(worker, http.StatusServiceUnavailable, `"status":"not_ready"`, `"redis":"does not work`)
	require.NoError(t, redis.Restart(t.Context(), false))
	says(worker, http.StatusOK, `"status":"ready"`)

	p.Lines.Bucket.Refuse()
	says(p.OpsURL, http.StatusOK, `"status":"degraded"`, `"storage":"does not work`)
	says(worker, http.StatusServiceUnavailable, `"status":"not_ready"`)
	p.Lines.Bucket.Heal()
	says(p.OpsURL, http.StatusOK, `"status":"ready"`)
}

// awaitAnswers waits until everything is as before.
func awaitAnswers(t *testing.T, p *apptest.Product, u *apptest.User) {
	t.Helper()

	require.Eventually(t, func() bool {
		return ask(t, p, []asked{{method: "GET", path: "/v1/generations", bearer: u.Key}})[0].status == http.StatusOK
	}, 20*time.Second, 250*time.Millisecond)
}

// sent announces a file and sends it. It is not completed.
func sent(t *testing.T, u *apptest.User) (id string) {
	t.Helper()

	var made struct {
		Upload      apptest.Upload
		URL, Method string
		Headers     map[string]string
	}

	file := []byte("not a picture")
	u.Do(t, http.MethodPost, "/v1/uploads", map[string]any{"content_type": "image/png", "bytes": len(file)}, &made)

	r, err := http.NewRequestWithContext(t.Context(), made.Method, made.URL, bytes.NewReader(file))
	require.NoError(t, err)

	for name, value := range made.Headers {
		r.Header.Set(name, value)
	}

	reply, err := (&http.Client{Timeout: 20 * time.Second}).Do(r)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	require.Equal(t, http.StatusOK, reply.StatusCode)

	return made.Upload.ID
}

// follow opens the stream of all of a user's events and collects what comes until the test ends.
func follow(t *testing.T, u *apptest.User) *apptest.Log {
	t.Helper()

	reply := u.Stream(t, "/v1/events")
	seen, ended := &apptest.Log{}, make(chan struct{})

	go func() {
		defer close(ended)

		for lines := bufio.NewScanner(reply.Body); lines.Scan(); {
			_, _ = seen.Write(append(lines.Bytes(), '\n'))
		}
	}()

	t.Cleanup(func() {
		_ = reply.Body.Close()
		<-ended
	})

	return seen
}
