package fal_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/clock/clocktest"
	"imagerun/internal/fault"
	"imagerun/internal/providers"
	"imagerun/internal/providers/fal"
	"imagerun/internal/simulators/falsim"
)

// The vector: the key's seed is the bytes 00 to 1f.
const (
	vectorKey  = "A6EHv_POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg"
	vectorID   = "123e4567-e89b-12d3-a456-426614174000"
	vectorBody = `{"request_id":"` + vectorID + `","gateway_request_id":"` + vectorID + `","status":"OK","payload":{"images":[],"seed":42}}`
	vectorSig  = "e3c3a60dd545b8919400b5c32ab36920521a412c2a3c067cd048e49b6de51ea114e77c7cc07080fd5858437998cfde64cdd8d2768bc5aed6a69e066453ce4707"
)

func vectorHeader() http.Header {
	h := http.Header{}
	h.Set("X-Fal-Webhook-Request-Id", vectorID)
	h.Set("X-Fal-Webhook-User-Id", "user_test")
	h.Set("X-Fal-Webhook-Timestamp", "1700000000")
	h.Set("X-Fal-Webhook-Signature", vectorSig)

	return h
}

// published serves a document as fal's keys and counts how often it was fetched.
func published(t *testing.T, document func() string) (address string, fetches *int) {
	t.Helper()

	fetches = new(int)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*fetches++

		if r.Header.Get("Authorization") != "" {
			t.Error("the key was sent for public keys")
		}

		_, _ = io.WriteString(w, document())
	}))
	t.Cleanup(server.Close)

	return server.URL, fetches
}

func TestVerifier_AgreesWithTheVector(t *testing.T) {
	t.Parallel()

	const wrong = `{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}`

	good := `{"keys":[{"kty":"RSA","n":"x"},` + wrong + `,{"kty":"OKP","crv":"Ed25519","kid":"1","x":"` + vectorKey + `"}]}`

	for name, c := range map[string]struct {
		keys   string
		off    time.Duration
		user   string
		change func(http.Header)
		body   string
		ok     bool
	}{
		"Good":               {ok: true},
		"AsOldAsMayBe":       {off: 300 * time.Second, ok: true},
		"TooOld":             {off: 301 * time.Second},
		"TooNew":             {off: -301 * time.Second},
		"OtherBody":          {body: vectorBody + " "},
		"OtherAccount":       {user: "user_other"},
		"NoAccount":          {user: "-"},
		"NoKeys":             {keys: `{"keys":[]}`},
		"WrongKeys":          {keys: `{"keys":[` + wrong + `]}`},
		"KeysAreNoJSON":      {keys: `<html>`},
		"NoSignature":        {change: func(h http.Header) { h.Del("X-Fal-Webhook-Signature") }},
		"SignatureNotHex":    {change: func(h http.Header) { h.Set("X-Fal-Webhook-Signature", "zz"+vectorSig[2:]) }},
		"SignatureTooShort":  {change: func(h http.Header) { h.Set("X-Fal-Webhook-Signature", vectorSig[2:]) }},
		"SignatureTampered":  {change: func(h http.Header) { h.Set("X-Fal-Webhook-Signature", "00"+vectorSig[2:]) }},
		"NoID":               {change: func(h http.Header) { h.Del("X-Fal-Webhook-Request-Id") }},
		"OtherID":            {change: func(h http.Header) { h.Set("X-Fal-Webhook-Request-Id", "x") }},
		"TwoIDs":             {change: func(h http.Header) { h.Add("X-Fal-Webhook-Request-Id", "x") }},
		"NoUser":             {change: func(h http.Header) { h.Del("X-Fal-Webhook-User-Id") }},
		"NoTimestamp":        {change: func(h http.Header) { h.Del("X-Fal-Webhook-Timestamp") }},
		"TimestampNoNumber":  {change: func(h http.Header) { h.Set("X-Fal-Webhook-Timestamp", "now") }},
		"TimestampElsewhere": {change: func(h http.Header) { h.Set("X-Fal-Webhook-Timestamp", "1700000001") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			keys, user, body := or(c.keys, good), or(c.user, "user_test"), or(c.body, vectorBody)
			if user == "-" {
				user = ""
			}

			address, _ := published(t, func() string { return keys })
			v := fal.NewVerifier(fal.VerifierOptions{
				JWKSURL: address, UserID: user,
				Now: func() time.Time { return time.Unix(1700000000, 0).Add(c.off) },
			})
			header := vectorHeader()

			if c.change != nil {
				c.change(header)
			}

			cb, err := v.Verify(t.Context(), header, []byte(body))
			if c.ok {
				require.NoError(t, err)
				require.Equal(t, vectorID, cb.RequestID)
				require.JSONEq(t, `{"status":"OK","seed":42}`, string(cb.Body))
			} else {
				require.ErrorIs(t, err, fal.ErrSignature)
				require.Equal(t, fault.Unauthenticated, fault.Of(err).Kind)
				require.Zero(t, cb)
			}
		})
	}
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}

	return s
}

func TestVerifier_FetchesKeysAsSeldomAsItCan(t *testing.T) {
	t.Parallel()

	const none = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}]}`

	document := none
	address, fetches := published(t, func() string { return document })
	now := time.Unix(1700000000, 0)
	v := fal.NewVerifier(fal.VerifierOptions{JWKSURL: address, UserID: "user_test", Now: func() time.Time { return now }})

	verify := func() error {
		_, err := v.Verify(t.Context(), vectorHeader(), []byte(vectorBody))

		return err
	}

	for range 10 {
		require.Error(t, verify())
	}

	require.Equal(t, 1, *fetches, "forgeries do not make us fetch")

	// fal changes its keys: seen after a minute, and kept.
	document = `{"keys":[{"kty":"OKP","crv":"Ed25519","x":"` + vectorKey + `"}]}`

	require.Error(t, verify())

	now = now.Add(time.Minute)

	for range 10 {
		require.NoError(t, verify())
	}

	require.Equal(t, 2, *fetches)

	// A stranger's account or an old timestamp is refused before anything is fetched.
	now = now.Add(10 * time.Minute)

	require.Error(t, verify())
	require.Equal(t, 2, *fetches)
}

func TestVerifier_ForgetsKeysAfterADay(t *testing.T) {
	t.Parallel()

	h := newHook(t)
	require.NoError(t, h.verify(h.send("")))

	h.sim.RotateKey(false)
	h.clock.Move(24 * time.Hour)

	require.NoError(t, h.verify(h.send("")), "the new key was fetched, and the old one dropped")

	// Closed, the key server gives no keys, and no keys means no trust.
	h.clock.Move(24 * time.Hour)
	last := h.send("")

	h.server.CloseClientConnections()
	h.server.Close()
	require.ErrorIs(t, h.verify(last), fal.ErrSignature)
}

// hook is a webhook receiver, and a verifier, for a simulator on the same clock.
type hook struct {
	t        *testing.T
	sim      *falsim.Sim
	server   *httptest.Server
	verifier *fal.Verifier
	client   *fal.Client
	posts    chan received
	clock    *clocktest.Clock
	input    string
	last     providers.Callback
}

type received struct {
	header http.Header
	body   []byte
}

func newHook(t *testing.T) *hook {
	t.Helper()

	h := &hook{
		t: t, posts: make(chan received, 10), clock: clocktest.New(),
		input: `{"prompt":"` + secret + `","num_images":2,"seed":42,"image_size":"square"}`,
	}
	h.sim = falsim.New(falsim.Options{
		Key: testKey, UserID: "user_me", Seed: 1, Duration: time.Millisecond, AllowPrivateCallbacks: true,
		Knobs: falsim.Knobs{LoseEveryNth: 1}, Now: h.clock.Now,
	})
	h.server = httptest.NewServer(h.sim.Handler())
	h.client = fal.New(options(h.server.URL))
	h.verifier = fal.NewVerifier(fal.VerifierOptions{
		JWKSURL: h.server.URL + "/rest/.well-known/jwks.json", UserID: "user_me", Now: h.clock.Now,
	})
	t.Cleanup(func() {
		h.verifier.Close()
		h.client.Close()
		h.sim.Close()
		h.server.Close()
	})

	return h
}

// send has a request made and its webhook sent, with a fault, and returns what came.
func (h *hook) send(fault string) received {
	h.t.Helper()

	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.posts <- received{r.Header, body}
	}))
	defer target.Close()

	ticket, err := h.client.Submit(h.t.Context(), providers.Request{Endpoint: model, Input: json.RawMessage(h.input), CallbackURL: target.URL})
	require.NoError(h.t, err)

	h.clock.Move(time.Second)
	require.NoError(h.t, h.sim.SendWebhook(ticket.RequestID, fault, "", nil))

	ctx, cancel := context.WithTimeout(h.t.Context(), 5*time.Second)
	defer cancel()

	select {
	case p := <-h.posts:
		return p
	case <-ctx.Done():
		h.t.Fatal("no webhook came")

		return received{}
	}
}

func (h *hook) verify(p received) (err error) {
	h.last, err = h.verifier.Verify(h.t.Context(), p.header, p.body)

	return err
}

func TestVerifier_TellsFalsWebhooksFromOthers(t *testing.T) {
	t.Parallel()

	h := newHook(t)

	good := h.send("")
	require.NoError(t, h.verify(good))
	require.NoError(t, h.verify(good), "a second delivery is as good as the first")

	for _, fault := range []string{"forged", "wrong_user", "stale"} {
		require.ErrorIs(t, h.verify(h.send(fault)), fal.ErrSignature, fault)
	}

	good.body = append(good.body, '\n')
	require.ErrorIs(t, h.verify(good), fal.ErrSignature)
}

func TestCallback_KeepsWhatItTakesAndNoMore(t *testing.T) {
	t.Parallel()

	h := newHook(t)
	p := h.send("")
	require.Contains(t, string(p.body), secret)
	require.NoError(t, h.verify(p))
	require.NotContains(t, string(h.last.Body), secret)

	result, err := h.client.ParseCallback(h.last.Body)
	require.NoError(t, err)
	require.Len(t, result.Images, 2)
	require.EqualValues(t, 42, *result.Seed)

	_, err = h.client.Download(t.Context(), result.Images[1].URL, 1<<20)
	require.NoError(t, err)

	h.input = `{"prompt":"nsfw ` + secret + `"}`
	require.NoError(t, h.verify(h.send("")))
	result, err = h.client.ParseCallback(h.last.Body)
	require.NoError(t, err)
	require.True(t, result.Images[0].Blocked)

	// Errors echo the input; their types are all that is kept.
	for input, code := range map[string]string{
		`{"prompt":"forbidden ` + secret + `"}`:      "prompt_rejected",
		`{"prompt":"` + secret + `","num_images":5}`: "invalid_request",
		`{"secret":"` + secret + `"}`:                "invalid_request",
	} {
		h.input = input
		require.NoError(t, h.verify(h.send("")))
		require.NotContains(t, string(h.last.Body), secret)

		_, err = h.client.ParseCallback(h.last.Body)
		requireFailed(t, err, providers.Rejected, code)
	}

	// An image in the body itself is not kept: the result has to be fetched.
	h.input = `{"prompt":"x","sync_mode":true,"image_size":"square"}`
	require.NoError(t, h.verify(h.send("")))
	require.Less(t, len(h.last.Body), 100)
	_, err = h.client.ParseCallback(h.last.Body)
	requireFailed(t, err, providers.Gone, "result_expired")
}

func TestParseCallback_OfOddBodies(t *testing.T) {
	t.Parallel()

	client := fal.New(fal.Options{})

	for body, want := range map[string][2]string{
		`{"status":"OK"}`:    {string(providers.Gone), "result_expired"},
		`nonsense`:           {string(providers.Gone), "result_expired"},
		`{"status":"ERROR"}`: {string(providers.Rejected), "provider_error"},
		`{"status":"ERROR","errors":["request_timeout"]}`:       {string(providers.Rejected), "generation_timeout"},
		`{"status":"ERROR","errors":["no_media_generated"]}`:    {string(providers.Rejected), "no_image"},
		`{"status":"ERROR","errors":["internal_server_error"]}`: {string(providers.Rejected), "provider_error"},
	} {
		_, err := client.ParseCallback(json.RawMessage(body))
		requireFailed(t, err, providers.Class(want[0]), want[1])
	}
}
