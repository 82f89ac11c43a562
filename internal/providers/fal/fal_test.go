package fal_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
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

func TestSubmit_SaysHowTheRequestIsToBeTreated(t *testing.T) {
	t.Parallel()

	b := setup(t)
	r := request()
	r.CallbackURL = "https://api.example/hooks/fal/to ken?x=1&y=2"

	ticket, err := b.client.Submit(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, model, ticket.Endpoint)
	require.NotEmpty(t, ticket.RequestID)
	require.Equal(t, b.url+"/queue/fal-ai/flux/requests/"+ticket.RequestID, ticket.ResponseURL)

	got := b.sim.Requests(falsim.RouteSubmit)[0]
	require.Equal(t, string(r.Input), got.Body)

	u, err := url.Parse(got.URL)
	require.NoError(t, err)
	require.Equal(t, url.Values{"fal_webhook": {r.CallbackURL}}, u.Query())

	for name, want := range map[string]string{
		"X-Fal-No-Retry": "1", "X-Fal-Store-IO": "0", "X-App-Fal-Disable-Fallback": "true",
		"X-Fal-Request-Start-Timeout": "90", "X-Fal-Object-Lifecycle-Preference": `{"expiration_duration_seconds":3600}`,
		"X-Fal-Tags": "attempt=7d3c9a52-5f6a-4f0e-9d3e-0c2d2f9f1a11", "Content-Type": "application/json", "Idempotency-Key": "",
	} {
		require.Equal(t, want, got.Header.Get(name), name)
	}
}

func TestSubmit_FailedAndDidNotHappen(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		status int
		body   string
		class  providers.Class
		code   string
	}{
		"BadKey":         {401, `{"detail":"No user found for Key ID and Secret"}`, providers.Account, "provider_error"},
		"NoBalance":      {403, `{"detail":"User is locked. Reason: Exhausted balance."}`, providers.Account, "provider_error"},
		"TooMany":        {429, `{"detail":"slow down"}`, providers.Transient, "provider_error"},
		"UnknownApp":     {404, `{"detail":"Application \"x\" not found"}`, providers.Rejected, "provider_error"},
		"BadRequest":     {400, `{"detail":"` + secret + `"}`, providers.Rejected, "invalid_request"},
		"Unprocessable":  {422, `{"detail":[{"type":"missing","msg":"` + secret + `"}]}`, providers.Rejected, "invalid_request"},
		"PolicyDirectly": {422, `{"detail":[{"type":"content_policy_violation"}]}`, providers.Rejected, "prompt_rejected"},
		"Moved":          {307, ``, providers.Transient, "provider_error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.force(falsim.RouteSubmit, falsim.ActAnswer, func(r *falsim.Rule) {
				r.Status, r.Body = c.status, c.body
				r.Headers = map[string]string{"Location": b.url + "/elsewhere"}
			})

			_, err := b.client.Submit(t.Context(), request())
			b.failed(err, c.class, c.code)
			require.EqualValues(t, 1, b.sim.Stats().Submits, "one call is one attempt")
			require.Zero(t, b.sim.Stats().Accepted)
		})
	}

	t.Run("NobodyThere", func(t *testing.T) {
		t.Parallel()

		listener, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		require.NoError(t, listener.Close())

		_, err = fal.New(options("http://"+listener.Addr().String())).Submit(t.Context(), request())
		requireFailed(t, err, providers.Transient, "provider_error")
	})

	t.Run("NoSuchHost", func(t *testing.T) {
		t.Parallel()

		_, err := fal.New(options("http://does-not-exist.invalid")).Submit(t.Context(), request())
		requireFailed(t, err, providers.Transient, "provider_error")
	})

	t.Run("GivenUpBefore", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()

		_, err := b.client.Submit(ctx, request())
		b.failed(err, providers.Transient, "provider_error")
		require.ErrorIs(t, err, context.Canceled)
		require.Zero(t, b.sim.Stats().Submits)
	})
}

func TestSubmit_FailedButDidHappen(t *testing.T) {
	t.Parallel()

	for _, action := range []string{falsim.ActLose, falsim.ActTruncate, falsim.ActHalve} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			from := time.Now().Add(-time.Second)
			b.force(falsim.RouteSubmit, action)

			_, err := b.client.Submit(t.Context(), request())
			b.failed(err, providers.Unknown, "provider_error")
			require.EqualValues(t, 1, b.sim.Stats().Accepted)
			require.EqualValues(t, 1, b.sim.Stats().Submits)

			// It can be found.
			found, err := b.client.Find(t.Context(), model, from, time.Now().Add(time.Second))
			require.NoError(t, err)
			require.Len(t, found, 1)
		})
	}

	t.Run("Withheld", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *fal.Options) { o.Timeout = 100 * time.Millisecond })
		b.force(falsim.RouteSubmit, falsim.ActWithhold)

		_, err := b.client.Submit(t.Context(), request())
		b.failed(err, providers.Unknown, "provider_error")
		require.EqualValues(t, 1, b.sim.Stats().Accepted)
	})

	// These may or may not have happened: fal documents nothing that tells.
	for _, status := range []int{408, 499, 500, 502, 503, 504} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.force(falsim.RouteSubmit, falsim.ActAnswer, func(r *falsim.Rule) { r.Status, r.Body = status, "<html>Bad Gateway</html>" })

			_, err := b.client.Submit(t.Context(), request())
			b.failed(err, providers.Unknown, "provider_error")
		})
	}

	for name, body := range map[string]string{"Empty": "", "NotJSON": "<html>", "NoID": `{"status":"IN_QUEUE"}`, "Null": "null"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.force(falsim.RouteSubmit, falsim.ActAnswer, func(r *falsim.Rule) { r.Body = body })

			_, err := b.client.Submit(t.Context(), request())
			b.failed(err, providers.Unknown, "provider_error")
		})
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

func TestFetch_SortsWhatTheModelSays(t *testing.T) {
	t.Parallel()

	own := map[string]string{"X-Fal-Request-Id": "x"}
	detail := func(kind string) string {
		return `{"detail":[{"loc":["body","prompt"],"msg":"` + secret + `","type":"` + kind + `","input":"` + secret + `"}]}`
	}

	for name, c := range map[string]struct {
		status int
		header map[string]string
		body   string
		class  providers.Class
		code   string
	}{
		"Policy":           {422, own, detail("content_policy_violation"), providers.Rejected, "prompt_rejected"},
		"PolicyInOldWords": {422, own, `{"detail":"The content could not be processed because it contained material flagged by a content checker."}`, providers.Rejected, "prompt_rejected"},
		"NoMedia":          {422, own, detail("no_media_generated"), providers.Rejected, "no_image"},
		"Pydantic1":        {422, own, detail("value_error.missing"), providers.Rejected, "invalid_request"},
		"Pydantic2":        {422, own, detail("less_than_equal"), providers.Rejected, "invalid_request"},
		"DetailIsText":     {422, own, `{"detail":"` + secret + `"}`, providers.Rejected, "invalid_request"},
		"TypeIsNoWord":     {422, own, detail("see https://" + secret), providers.Rejected, "invalid_request"},
		"Download":         {422, own, detail("file_download_error"), providers.Rejected, "invalid_request"},
		"Downstream":       {400, own, detail("downstream_service_error"), providers.Rejected, "provider_error"},
		"BadRequest":       {400, own, `{"detail":"Bad","error_type":"bad_request"}`, providers.Rejected, "invalid_request"},
		"InProgress":       {400, own, `{"detail":"Request is still in progress","request_id":"x"}`, providers.NotReady, ""},
		"ModelFailed":      {500, own, detail("internal_server_error"), providers.Rejected, "provider_error"},
		"AppCrashed":       {500, own, `{"detail":"Internal Server Error"}`, providers.Rejected, "provider_error"},
		"ModelTooSlow":     {504, own, detail("generation_timeout"), providers.Rejected, "generation_timeout"},
		"NeverStarted":     {504, nil, `{"detail":"Request timed out","error_type":"request_timeout"}`, providers.Rejected, "generation_timeout"},
		"TypeInHeader":     {503, map[string]string{"X-Fal-Error-Type": "runner_disconnected"}, `oops`, providers.Rejected, "provider_error"},
		"Cancelled":        {499, own, `{"detail":"x","error_type":"client_cancelled"}`, providers.Rejected, "provider_error"},
		"Gateway502":       {502, nil, `<html>`, providers.Transient, "provider_error"},
		"Gateway503":       {503, nil, ``, providers.Transient, "provider_error"},
		"Gateway504":       {504, nil, `<html>`, providers.Transient, "provider_error"},
		"TooMany":          {429, own, `{"detail":"x"}`, providers.Transient, "provider_error"},
		"Locked":           {403, nil, `{"detail":"User is locked."}`, providers.Account, "provider_error"},
		"Expired":          {404, own, `{"detail":"Request not found"}`, providers.Gone, "result_expired"},
		"NoSuchPath":       {404, own, `{"detail":"Path /x not found"}`, providers.Rejected, "provider_error"},
		"Accepted":         {202, own, `{"status":"IN_PROGRESS"}`, providers.NotReady, ""},
		"NoImages":         {200, own, `{"images":[]}`, providers.Rejected, "no_image"},
		"NoURL":            {200, own, `{"images":[{"url":""}]}`, providers.Rejected, "no_image"},
		"HalfAnAnswer":     {200, own, `{"images":[{"ur`, providers.Transient, "provider_error"},
		"ErrorPageAs200":   {200, nil, `<!doctype html>`, providers.Transient, "provider_error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			ticket := b.submit("")
			b.force(falsim.RouteResult, falsim.ActAnswer, func(r *falsim.Rule) { r.Status, r.Body, r.Headers = c.status, c.body, c.header })

			_, err := b.client.Fetch(t.Context(), ticket)
			b.failed(err, c.class, c.code)
		})
	}
}

func TestFetch_TakesWhatThereIs(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.sim.SetKnobs(func(k *falsim.Knobs) { k.DurationMS, k.OmitImageFacts, k.BigSeeds = 0, true, true })

	result, err := b.client.Fetch(t.Context(), b.submit(`{"prompt":"nsfw","num_images":3,"seed":9007199254740993}`))
	require.NoError(t, err)
	require.Len(t, result.Images, 3)
	require.True(t, result.Images[2].Blocked)
	require.EqualValues(t, 1<<57|9007199254740993, *result.Seed)

	b.sim.SetKnobs(func(k *falsim.Knobs) { k.FewerEveryNth = 1 })
	result, err = b.client.Fetch(t.Context(), b.submit(`{"prompt":"x","num_images":3}`))
	require.NoError(t, err)
	require.Len(t, result.Images, 2)

	_, err = b.client.Fetch(t.Context(), b.submit(`{"prompt":"`+secret+` forbidden"}`))
	b.failed(err, providers.Rejected, "prompt_rejected")
	_, err = b.client.Fetch(t.Context(), b.submit(`{"prompt":"`+secret+`","num_images":9}`))
	b.failed(err, providers.Rejected, "invalid_request")

	b.force(falsim.RouteResult, falsim.ActAnswer, func(r *falsim.Rule) {
		r.Body = `{"images":[{"url":"u","width":null,"content_type":null}],"seed":null,"has_nsfw_concepts":null}`
	})
	result, err = b.client.Fetch(t.Context(), b.submit(""))
	require.NoError(t, err)
	require.Equal(t, providers.Result{Images: []providers.Image{{URL: "u"}}}, result)
}

func TestClient_KeepsTheKeyToItself(t *testing.T) {
	t.Parallel()

	foreign := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("somebody else was called")
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
