package fal_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/providers"
	"imagerun/internal/providers/fal"
	"imagerun/internal/simulators/falsim"
)

func TestCancel_FollowsTheTable(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.sim.SetKnobs(func(k *falsim.Knobs) { k.Slots = 1 })
	runs, waits := b.submit(""), b.submit("")

	cancel := func(ticket providers.Ticket) providers.CancelOutcome {
		out, err := b.client.Cancel(t.Context(), ticket)
		require.NoError(t, err)

		return out
	}

	require.Equal(t, providers.CancelRemoved, cancel(waits))
	require.Equal(t, providers.CancelTooLate, cancel(waits))
	require.Equal(t, providers.CancelRequested, cancel(runs))
	require.Equal(t, providers.CancelNotFound, cancel(providers.Ticket{Endpoint: model, RequestID: "unknown"}))

	b.force(falsim.RouteCancel, falsim.ActAnswer, func(r *falsim.Rule) { r.Body = `{"success":true}` })
	require.Equal(t, providers.CancelRequested, cancel(runs), "it runs, and may finish")

	for _, body := range []string{"", "null", "{}", "<html></html>"} {
		b.force(falsim.RouteCancel, falsim.ActAnswer, func(r *falsim.Rule) { r.Body = body })
		_, err := b.client.Cancel(t.Context(), runs)
		b.failed(err, providers.Transient, "provider_error")
	}

	// It failed but did happen: asking again tells.
	waits = b.submit("")
	b.force(falsim.RouteCancel, falsim.ActLose)
	_, err := b.client.Cancel(t.Context(), waits)
	b.failed(err, providers.Transient, "provider_error")
	require.Equal(t, providers.CancelTooLate, cancel(waits))
}

func TestFind_ReadsEveryPage(t *testing.T) {
	t.Parallel()

	b := setup(t)
	from := time.Now().Add(-time.Second)
	want := map[string]bool{}

	for range 230 {
		want[b.submit("").RequestID] = false
	}

	b.quick()

	done := b.submit("").RequestID
	want[done] = true

	found, err := b.client.Find(t.Context(), model, from, time.Now().Add(time.Second))
	require.NoError(t, err)
	require.EqualValues(t, 3, b.sim.Stats().Finds)

	got := map[string]bool{}
	for _, f := range found {
		got[f.RequestID] = f.Done
		require.WithinRange(t, f.CreatedAt, from, time.Now())
	}

	require.Equal(t, want, got)

	found, err = b.client.Find(t.Context(), model, from.Add(-time.Hour), from)
	require.NoError(t, err)
	require.Empty(t, found)

	found, err = b.client.Find(t.Context(), "fal-ai/flux/schnell", from, time.Now())
	require.NoError(t, err)
	require.Empty(t, found)

	// A list that may be incomplete is no answer.
	for _, body := range []string{`{}`, `{"items":null}`, `<html>`, `{"items":[{"request_id":"x"}],"has_more":true,"next_cursor":"x"}`} {
		b.force(falsim.RouteFind, falsim.ActAnswer, func(r *falsim.Rule) { r.Body, r.Times = body, 10 })
		_, err = b.client.Find(t.Context(), model, from, time.Now())
		b.failed(err, providers.Transient, "provider_error")
		b.sim.Release(0)
	}
}

func TestErase_IsDoneWhenNothingIsLeft(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.quick()
	ticket := b.submit("")

	// It failed and did not happen.
	b.force(falsim.RouteErase, falsim.ActAnswer, func(r *falsim.Rule) { r.Status = http.StatusInternalServerError })
	b.failed(b.client.Erase(t.Context(), ticket.RequestID), providers.Transient, "provider_error")
	b.sim.SetKnobs(func(k *falsim.Knobs) { k.EraseFails = true })
	b.failed(b.client.Erase(t.Context(), ticket.RequestID), providers.Transient, "provider_error")
	require.Zero(t, b.sim.Stats().Erased)

	// It failed but did happen: once more is harmless.
	b.sim.SetKnobs(func(k *falsim.Knobs) { k.EraseFails = false })
	b.force(falsim.RouteErase, falsim.ActLose)
	b.failed(b.client.Erase(t.Context(), ticket.RequestID), providers.Transient, "provider_error")
	require.EqualValues(t, 1, b.sim.Stats().Erased)
	require.NoError(t, b.client.Erase(t.Context(), ticket.RequestID))
	require.NoError(t, b.client.Erase(t.Context(), "unknown"))

	b.force(falsim.RouteErase, falsim.ActAnswer, func(r *falsim.Rule) { r.Status = http.StatusForbidden })
	b.failed(b.client.Erase(t.Context(), ticket.RequestID), providers.Account, "provider_error")
	b.force(falsim.RouteErase, falsim.ActAnswer, func(r *falsim.Rule) { r.Body = `{"some":"thing"}` })
	b.failed(b.client.Erase(t.Context(), ticket.RequestID), providers.Transient, "provider_error")
}

func TestDownload_TakesOnlyWhatItShould(t *testing.T) {
	t.Parallel()

	b := setup(t, func(o *fal.Options) { o.IdleTimeout = time.Second })
	b.quick()

	result, err := b.client.Fetch(t.Context(), b.submit(""))
	require.NoError(t, err)

	file := result.Images[0].URL
	whole, err := b.client.Download(t.Context(), file, 1<<20)
	require.NoError(t, err)

	_, err = b.client.Download(t.Context(), file, int64(len(whole)))
	require.NoError(t, err)
	_, err = b.client.Download(t.Context(), file, int64(len(whole))-1)
	b.failed(err, providers.Gone, "no_image")

	b.force(falsim.RouteMedia, falsim.ActStall)
	_, err = b.client.Download(t.Context(), file, 1<<20)
	b.failed(err, providers.Transient, "provider_error")
	require.ErrorContains(t, err, "stalled")

	// Slow is not stalled: each piece is in time, although all together are not.
	b.force(falsim.RouteMedia, falsim.ActSlow, func(r *falsim.Rule) { r.DelayMS = 100 })

	data, err := b.client.Download(t.Context(), file, 1<<20)
	require.NoError(t, err)
	require.Equal(t, whole, data)

	for media, class := range map[string]providers.Class{"truncated": providers.Transient, "huge": providers.Gone, "missing": providers.Gone} {
		b.sim.SetKnobs(func(k *falsim.Knobs) { k.Media = media })
		_, err = b.client.Download(t.Context(), file, 1<<20)
		require.Equal(t, class, providers.ClassOf(err), media)
	}

	data, err = b.client.Download(t.Context(), "data:image/png;base64,"+base64.StdEncoding.EncodeToString([]byte("pixels")), 6)
	require.NoError(t, err)
	require.Equal(t, "pixels", string(data))

	for _, bad := range []string{"data:image/png;base64,cGl4ZWxz", "data:image/png,pixels", "data:image/png;base64,!!!"} {
		_, err = b.client.Download(t.Context(), bad, 5)
		b.failed(err, providers.Rejected, "no_image")
	}
}

func TestDownload_EndsABodyWithoutLength(t *testing.T) {
	t.Parallel()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)

	_, err := fal.New(options(server.URL)).Download(t.Context(), server.URL, 10_000)
	requireFailed(t, err, providers.Gone, "no_image")
}

func TestDownload_GoesToAllowedHostsOnly(t *testing.T) {
	t.Parallel()

	called := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("it was called")
	}))
	t.Cleanup(called.Close)

	port := called.URL[strings.LastIndex(called.URL, ":"):]
	inside := called.URL[len("http://"):]

	// These are refused by their looks, whatever they resolve to.
	client := fal.New(fal.Options{MediaHosts: []string{"fal.media", "cdn.example:8443"}})
	for _, raw := range []string{
		called.URL, "https://" + inside, "http://v3b.fal.media/x", "https://evilfal.media/x", "https://fal.media.evil.example/x",
		"https://fal.media@" + inside + "/x", "https://user:pw@v3.fal.media/x", "https://v3.fal.media:8443/x", "https://cdn.example/x",
		"https://cdn.example:8444/x", "https:fal.media", "file:///etc/passwd", "ftp://fal.media/x", "https://", "", "https://fal.media%2eevil.example/",
	} {
		_, err := client.Download(t.Context(), raw, 100)
		requireFailed(t, err, providers.Rejected, "no_image")
	}

	// These are on the list, and refused when their address is known.
	hosts := []string{
		"127.0.0.1" + port, "localhost" + port, "[::1]" + port, "[::ffff:127.0.0.1]" + port, "10.0.0.1:1", "192.168.1.1:1", "172.16.0.1:1",
		"169.254.169.254:80", "100.64.0.1:1", "0.0.0.0" + port, "[fe80::1]:1", "[fc00::1]:1", "[64:ff9b::7f00:1]:1", "[2002:7f00:1::]:1", "224.0.0.1:1", "255.255.255.255:1",
	}

	client = fal.New(fal.Options{MediaHosts: hosts})
	for _, host := range hosts {
		_, err := client.Download(t.Context(), "https://"+host+"/x", 100)
		requireFailed(t, err, providers.Rejected, "no_image")
		require.ErrorContains(t, err, "private address", host)
	}
}
