package fal_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/providers"
	"imagerun/internal/providers/fal"
	"imagerun/internal/simulators/falsim"
)

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
		"TooMany":        {429, `{"detail":"slow down"}`, providers.Busy, "provider_error"},
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
