package fal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/providers"
	"imagerun/internal/providers/fal"
	"imagerun/internal/redact"
	"imagerun/internal/simulators/falsim"
)

const (
	testKey = "id:secret"
	secret  = "a-very-private-prompt"
	model   = "fal-ai/flux/dev"
)

type bundle struct {
	t      *testing.T
	sim    *falsim.Sim
	url    string
	client *fal.Client
}

// setup makes a simulator and a client for it. Requests finish when told to, by finish.
func setup(t *testing.T, change ...func(*fal.Options)) *bundle {
	t.Helper()

	sim := falsim.New(falsim.Options{Key: testKey, UserID: "user_me", Seed: 1, Duration: time.Hour, AllowPrivateCallbacks: true})
	server := httptest.NewServer(sim.Handler())
	o := options(server.URL)

	for _, c := range change {
		c(&o)
	}

	client := fal.New(o)
	t.Cleanup(func() {
		client.Close()
		sim.Close()
		server.Close()
	})

	return &bundle{t: t, sim: sim, url: server.URL, client: client}
}

func options(base string) fal.Options {
	return fal.Options{
		Key: redact.NewSecret(testKey), QueueURL: base + "/queue", APIURL: base + "/v1",
		MediaHosts: []string{"127.0.0.1"}, AllowPrivateMedia: true,
		Timeout: 5 * time.Second, IdleTimeout: 5 * time.Second,
	}
}

// quick makes requests that are submitted from now on finish at once.
func (b *bundle) quick() { b.sim.SetKnobs(func(k *falsim.Knobs) { k.DurationMS = 0 }) }

func (b *bundle) force(route, action string, more ...func(*falsim.Rule)) int {
	b.t.Helper()

	r := falsim.Rule{Route: route, Action: action}
	for _, m := range more {
		m(&r)
	}

	id, err := b.sim.AddRule(r)
	require.NoError(b.t, err)

	return id
}

func request() providers.Request {
	return providers.Request{
		AttemptID: uuid.MustParse("7d3c9a52-5f6a-4f0e-9d3e-0c2d2f9f1a11"), Endpoint: model,
		Input:        json.RawMessage(`{"prompt":"` + secret + `","image_size":"square","output_format":"png","seed":42}`),
		StartTimeout: 90 * time.Second, KeepFor: time.Hour,
	}
}

func (b *bundle) submit(input string) providers.Ticket {
	b.t.Helper()

	r := request()
	if input != "" {
		r.Input = json.RawMessage(input)
	}

	t, err := b.client.Submit(b.t.Context(), r)
	require.NoError(b.t, err)

	return t
}

// failed checks the class and the code of an error, and that it gives nothing away.
func (b *bundle) failed(err error, class providers.Class, code string) {
	b.t.Helper()
	requireFailed(b.t, err, class, code)
}

func requireFailed(t *testing.T, err error, class providers.Class, code string) {
	t.Helper()
	require.Error(t, err)

	var e *providers.Error

	require.ErrorAs(t, err, &e)
	require.Equal(t, [2]string{string(class), code}, [2]string{string(e.Class), e.Code}, err.Error())

	for _, s := range []string{err.Error(), fmt.Sprintf("%+v", e.Cause), fmt.Sprintf("%#v", e)} {
		for _, leak := range []string{secret, "http:", "https:", "127.0.0.1", "/queue", testKey, "token"} {
			require.NotContains(t, s, leak)
		}
	}
}

func TestClient_DoesTheWholeJob(t *testing.T) {
	t.Parallel()

	b := setup(t)
	ticket := b.submit("")

	status, err := b.client.Poll(t.Context(), ticket)
	require.NoError(t, err)
	require.Equal(t, providers.StateRunning, status.State)

	_, err = b.client.Fetch(t.Context(), ticket)
	b.failed(err, providers.NotReady, "")

	b.quick()
	ticket = b.submit("")

	status, err = b.client.Poll(t.Context(), ticket)
	require.NoError(t, err)
	require.Equal(t, providers.StateDone, status.State)

	result, err := b.client.Fetch(t.Context(), ticket)
	require.NoError(t, err)
	require.Len(t, result.Images, 1)
	require.EqualValues(t, 42, *result.Seed)
	require.Equal(t, secret, result.Prompt.Reveal())
	require.False(t, result.Images[0].Blocked)

	data, err := b.client.Download(t.Context(), result.Images[0].URL, 1<<20)
	require.NoError(t, err)

	img, format, err := image.Decode(bytes.NewReader(data))
	require.NoError(t, err)
	require.Equal(t, "png", format)
	require.Equal(t, image.Pt(512, 512), img.Bounds().Size())

	require.NoError(t, b.client.Erase(t.Context(), ticket.RequestID))
	_, err = b.client.Fetch(t.Context(), ticket)
	b.failed(err, providers.Gone, "result_expired")
	_, err = b.client.Download(t.Context(), result.Images[0].URL, 1<<20)
	b.failed(err, providers.Gone, "result_expired")

	// The file host has never seen the key.
	for _, r := range b.sim.Requests(falsim.RouteMedia) {
		require.Empty(t, r.Header.Get("Authorization"))
	}
}

func TestPoll_TellsTheQueuePosition(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.sim.SetKnobs(func(k *falsim.Knobs) { k.Slots = 1 })
	b.submit("")
	b.submit("")

	status, err := b.client.Poll(t.Context(), b.submit(""))
	require.NoError(t, err)
	require.Equal(t, providers.StateQueued, status.State)
	require.Equal(t, 1, *status.QueuePosition)
}

// reads are the calls that may be repeated, so that no answer means try again.
func (b *bundle) reads(ticket providers.Ticket, file string) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		falsim.RouteStatus: func(ctx context.Context) error { _, err := b.client.Poll(ctx, ticket); return err },
		falsim.RouteResult: func(ctx context.Context) error { _, err := b.client.Fetch(ctx, ticket); return err },
		falsim.RouteMedia:  func(ctx context.Context) error { _, err := b.client.Download(ctx, file, 1<<20); return err },
		falsim.RouteCancel: func(ctx context.Context) error { _, err := b.client.Cancel(ctx, ticket); return err },
		falsim.RouteFind: func(ctx context.Context) error {
			_, err := b.client.Find(ctx, model, time.Now().Add(-time.Minute), time.Now().Add(time.Minute))
			return err
		},
		falsim.RouteErase: func(ctx context.Context) error { return b.client.Erase(ctx, ticket.RequestID) },
	}
}

func TestReads_AreTransientWithoutAnAnswer(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *fal.Options) { o.Timeout, o.IdleTimeout = 300*time.Millisecond, 300*time.Millisecond })
	b.quick()
	ticket := b.submit("")
	result, err := b.client.Fetch(t.Context(), ticket)
	require.NoError(t, err)

	for route, call := range b.reads(ticket, result.Images[0].URL) {
		if route == falsim.RouteErase {
			continue // changes what the others see; below
		}

		always := func(r *falsim.Rule) { r.Times = -1 } // net/http repeats a GET on a connection that was idle

		// It failed and did not happen.
		id := b.force(route, falsim.ActDrop, always)
		b.failed(call(t.Context()), providers.Transient, "provider_error")
		b.sim.Release(id)

		for _, status := range []int{429, 500, 502, 503, 504} {
			b.force(route, falsim.ActAnswer, func(r *falsim.Rule) { r.Status, r.Body = status, "<html>oops</html>" })
			b.failed(call(t.Context()), providers.Transient, "provider_error")
		}

		id = b.force(route, falsim.ActHang)
		b.failed(call(t.Context()), providers.Transient, "provider_error")
		b.sim.Release(id)

		// It failed but did happen: the same call again gives the same answer.
		for _, action := range []string{falsim.ActLose, falsim.ActTruncate} {
			id = b.force(route, action, always)
			b.failed(call(t.Context()), providers.Transient, "provider_error")
			b.sim.Release(id)
			require.NoError(t, call(t.Context()), route)
		}

		if route != falsim.RouteMedia {
			for _, status := range []int{401, 403} {
				b.force(route, falsim.ActAnswer, func(r *falsim.Rule) { r.Status, r.Body = status, `{"detail":"locked"}` })
				b.failed(call(t.Context()), providers.Account, "provider_error")
			}
		}
	}
}

func TestClient_KeepsTheKeyToItself(t *testing.T) {
	t.Parallel()

	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("another host was called")
	}))
	t.Cleanup(foreign.Close)

	b := setup(t)
	b.quick()
	good := b.submit("")

	for _, evil := range []string{
		foreign.URL + "/queue/fal-ai/flux/requests/" + good.RequestID,
		strings.Replace(b.url, "http://", "http://user@", 1) + "/queue/x",
		strings.Replace(b.url, "http:", "https:", 1) + "/queue/x", // another scheme
		b.url + "/files/b/x", // another part of the same host
		b.url + "/queue/../files/b/x",
		"//" + strings.TrimPrefix(foreign.URL, "http://") + "/queue/", "nonsense\x00", "",
	} {
		ticket := good
		ticket.StatusURL, ticket.ResponseURL, ticket.CancelURL = evil, evil, evil

		status, err := b.client.Poll(t.Context(), ticket)
		require.NoError(t, err, evil)
		require.Equal(t, providers.StateDone, status.State)

		_, err = b.client.Fetch(t.Context(), ticket)
		require.NoError(t, err)

		outcome, err := b.client.Cancel(t.Context(), ticket)
		require.NoError(t, err)
		require.Equal(t, providers.CancelTooLate, outcome)
	}

	require.Zero(t, b.sim.Stats().Media)

	// A redirect is not followed either.
	for route, call := range b.reads(good, b.url+"/files/b/00000000/x.png") {
		b.force(route, falsim.ActAnswer, func(r *falsim.Rule) {
			r.Status, r.Headers = 307, map[string]string{"Location": foreign.URL}
		})
		b.failed(call(t.Context()), providers.Transient, "provider_error")
	}
}
