package fal_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/providers"
	"imagerun/internal/providers/fal"
	"imagerun/internal/redact"
	"imagerun/internal/simulators/falsim"
)

// lastHour is a query about everything of late.
func lastHour(requests ...string) providers.BillingQuery {
	return providers.BillingQuery{RequestIDs: requests, From: time.Now().Add(-time.Hour), To: time.Now().Add(time.Minute)}
}

func TestFetch_TellsUnits(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.quick()

	result, err := b.client.Fetch(t.Context(), b.submit(""))
	require.NoError(t, err)
	require.Equal(t, "1", result.Units)

	for header, want := range map[string]string{
		"0.786432": "0.786432", "12": "12", "1e-3": "1e-3", "": "", "-1": "", "NaN": "", "1;2": "", "many": "", strings.Repeat("9", 40): "",
	} {
		ticket := b.submit("")

		b.force(falsim.RouteResult, falsim.ActRewrite, func(r *falsim.Rule) { r.Headers = map[string]string{"X-Fal-Billable-Units": header} })
		result, err = b.client.Fetch(t.Context(), ticket)
		require.NoError(t, err)
		require.Equal(t, want, result.Units)

		// What is refused may be charged all the same.
		b.force(falsim.RouteResult, falsim.ActAnswer, func(r *falsim.Rule) {
			r.Status, r.Body = http.StatusUnprocessableEntity, `{"detail":[{"type":"content_policy_violation"}]}`
			r.Headers = map[string]string{"X-Fal-Billable-Units": header}
		})

		_, err = b.client.Fetch(t.Context(), ticket)
		b.failed(err, providers.Rejected, "prompt_rejected")

		var e *providers.Error

		require.ErrorAs(t, err, &e)
		require.Equal(t, want, e.Units)
	}
}

func TestBillingEvents(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.quick()

	ids := []string{b.submit("").RequestID, b.submit("").RequestID, b.submit("").RequestID}

	page, err := b.client.BillingEvents(t.Context(), lastHour())
	require.NoError(t, err)
	require.Len(t, page.Events, 3)
	require.Empty(t, page.Next)

	page, err = b.client.BillingEvents(t.Context(), lastHour(ids[:2]...))
	require.NoError(t, err)
	require.Len(t, page.Events, 2)

	for _, e := range page.Events {
		require.Contains(t, ids[:2], e.RequestID)
		require.WithinRange(t, e.At, time.Now().Add(-time.Minute), time.Now())
		require.Equal(t, providers.BillingEvent{RequestID: e.RequestID, Endpoint: model, At: e.At, Units: "1", NanoUSD: 25e6}, e)
	}

	// It failed and did not happen; it failed but did happen: asking again tells the same.
	for _, action := range []string{falsim.ActDrop, falsim.ActLose, falsim.ActTruncate, falsim.ActHalve} {
		// net/http asks once more by itself where a connection breaks that it had used before.
		rule := b.force(falsim.RouteBilling, action, func(r *falsim.Rule) { r.Times = -1 })
		_, err := b.client.BillingEvents(t.Context(), lastHour())
		b.failed(err, providers.Transient, "provider_error")
		b.sim.Release(rule)

		page, err := b.client.BillingEvents(t.Context(), lastHour())
		require.NoError(t, err)
		require.Len(t, page.Events, 3)
	}

	// What fal would not answer in full is no empty bill.
	long := lastHour()
	long.From = long.To.Add(-91 * 24 * time.Hour)
	_, err = b.client.BillingEvents(t.Context(), long)
	b.failed(err, providers.Transient, "provider_error")

	_, err = b.client.BillingEvents(t.Context(), lastHour(make([]string, providers.MaxBilledRequests)...))
	require.NoError(t, err)

	for _, status := range []int{401, 403} {
		b.force(falsim.RouteBilling, falsim.ActAnswer, func(r *falsim.Rule) { r.Status, r.Body = status, `{"error":{"type":"authorization_error"}}` })
		_, err = b.client.BillingEvents(t.Context(), lastHour())
		b.failed(err, providers.Account, "provider_error")
	}
}

// Only what needs the ADMIN scope is done with the key that has it.
func TestBillingEvents_ByTheAdminKeyAlone(t *testing.T) {
	t.Parallel()

	sim := falsim.New(falsim.Options{Key: testKey, RunKey: "run:secret", Seed: 1})
	sim.SetKnobs(func(k *falsim.Knobs) { k.DurationMS = 0 })
	t.Cleanup(sim.Close)

	server := httptest.NewServer(sim.Handler())
	t.Cleanup(server.Close)

	client := func(key, admin string) *fal.Client {
		o := options(server.URL)
		o.Key, o.AdminKey = redact.NewSecret(key), redact.NewSecret(admin)
		c := fal.New(o)
		t.Cleanup(c.Close)

		return c
	}

	both, run, wrong := client("run:secret", testKey), client("run:secret", ""), client("not:known", testKey)

	ticket, err := both.Submit(t.Context(), request())
	require.NoError(t, err)

	page, err := both.BillingEvents(t.Context(), lastHour())
	require.NoError(t, err)
	require.Len(t, page.Events, 1)
	require.NoError(t, both.Erase(t.Context(), ticket.RequestID))

	_, err = run.BillingEvents(t.Context(), lastHour())
	requireFailed(t, err, providers.Account, "provider_error")
	requireFailed(t, run.Erase(t.Context(), ticket.RequestID), providers.Account, "provider_error")

	_, err = wrong.Submit(t.Context(), request())
	requireFailed(t, err, providers.Account, "provider_error")
}

// A page that cannot be read in full is an error: what is not on it would be taken for not billed.
func TestBillingEvents_Unreadable(t *testing.T) {
	t.Parallel()

	b := setup(t)

	const good = `{"request_id":"a","endpoint_id":"fal-ai/flux/dev","timestamp":"2026-11-01T12:00:01Z","output_units":0.5,"cost_estimate_nano_usd":1e8}`

	for body, ok := range map[string]bool{
		`{"billing_events":[` + good + `],"next_cursor":null,"has_more":false}`: true,
		`{"billing_events":[],"next_cursor":null,"has_more":false}`:             true,
		`{"billing_events":[` + good + `],"next_cursor":null,"has_more":true}`:  false,
		`{"billing_events":[` + good + `],"next_cursor":"x","has_more":true}`:   false, // where we are
		`{"billing_events":null}`: false,
		`null`:                    false,
		``:                        false,
		`<html></html>`:           false,
		`{"billing_events":[` + strings.Replace(good, `"a"`, `""`, 1) + `]}`:                      false,
		`{"billing_events":[` + strings.Replace(good, `0.5`, `-0.5`, 1) + `]}`:                    false,
		`{"billing_events":[` + strings.Replace(good, `0.5`, `null`, 1) + `]}`:                    false,
		`{"billing_events":[` + strings.Replace(good, `1e8`, `null`, 1) + `]}`:                    false,
		`{"billing_events":[` + strings.Replace(good, `1e8`, `1e80`, 1) + `]}`:                    false,
		`{"billing_events":[` + strings.Replace(good, `"2026-11-01T12:00:01Z"`, `null`, 1) + `]}`: false,
	} {
		b.force(falsim.RouteBilling, falsim.ActAnswer, func(r *falsim.Rule) { r.Body = body })

		q := lastHour()
		q.Cursor = "x"

		page, err := b.client.BillingEvents(t.Context(), q)
		if !ok {
			b.failed(err, providers.Transient, "provider_error")

			continue
		}

		require.NoError(t, err, body)

		for _, e := range page.Events {
			require.Equal(t, []any{"0.5", int64(1e8)}, []any{e.Units, e.NanoUSD})
		}
	}
}
