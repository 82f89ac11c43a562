package falsim_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

// paid has three requests end, of which one failed, a minute apart, and returns their ids.
func (b *bundle) paid() (ids []string) {
	for _, c := range [][2]string{
		{"fal-ai/flux/dev", `{"prompt":"x","image_size":{"width":1500,"height":1000},"num_images":2}`},
		{"fal-ai/qwen-image", `{"prompt":"x","image_size":{"width":1000,"height":500}}`},
		{"fal-ai/flux/dev", `{}`},
	} {
		ids = append(ids, link(b.submit(c[0], c[1]), "request_id"))
		b.clock.Move(time.Minute)
	}

	return ids
}

func rows(r reply, name string) (out []map[string]any) {
	list, _ := r.body[name].([]any)
	for _, one := range list {
		row, _ := one.(map[string]any)
		out = append(out, row)
	}

	return out
}

func TestPlatform_BillsEachRequest(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	ids := b.paid()
	get := func(query string) reply { return b.do("GET", "/v1/models/billing-events?"+query, "") }

	events := rows(get(""), "billing_events")
	require.Len(t, events, 2, "a refused one costs nothing")
	require.Equal(t, map[string]any{
		"request_id": ids[0], "endpoint_id": "fal-ai/flux/dev", "timestamp": "2026-11-01T12:00:01Z",
		"output_units": 4.0, "unit_price": 0.025, "percent_discount": 0.0,
		"cost_subtotal": 0.1, "cost_discount": 0.0, "cost_total": 0.1, "cost_estimate_nano_usd": 1e8,
	}, events[1])

	require.Len(t, rows(get("endpoint_id=fal-ai/qwen-image"), "billing_events"), 1)
	require.Len(t, rows(get("request_id="+ids[0]+","+ids[2]), "billing_events"), 1)
	require.Empty(t, rows(get("end=2026-11-01T12:00:01Z"), "billing_events"), "the end does not belong to it")

	first := get("limit=1")
	require.Equal(t, true, first.body["has_more"])
	require.Len(t, rows(get("limit=1&cursor="+link(first.body, "next_cursor")), "billing_events"), 1)

	for _, bad := range []string{"limit=10001", "start=2026-08-01", "start=yesterday", "request_id=" + strings.Repeat("a,", 51)} {
		require.Equal(t, http.StatusBadRequest, get(bad).status, bad)
	}
}

func TestPlatform_AddsUpUsage(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	b.paid()

	series := rows(b.do("GET", "/v1/models/usage?timeframe=minute", ""), "time_series")
	require.Len(t, series, 2)
	require.Equal(t, "2026-11-01T12:00:00Z", series[0]["bucket"])

	series = rows(b.do("GET", "/v1/models/usage", ""), "time_series")
	require.Len(t, series, 1)
	require.Equal(t, "2026-11-01T00:00:00Z", series[0]["bucket"])
	require.Equal(t, []any{
		map[string]any{"endpoint_id": "fal-ai/flux/dev", "unit": "megapixel", "quantity": 4.0, "unit_price": 0.025, "cost": 0.1, "currency": "USD", "auth_method": "falsim"},
		map[string]any{"endpoint_id": "fal-ai/qwen-image", "unit": "megapixel", "quantity": 0.5, "unit_price": 0.02, "cost": 0.01, "currency": "USD", "auth_method": "falsim"},
	}, series[0]["results"])

	for frame, bucket := range map[string]string{"hour": "2026-11-01T12:00:00Z", "week": "2026-10-26T00:00:00Z", "month": "2026-11-01T00:00:00Z"} {
		require.Equal(t, bucket, rows(b.do("GET", "/v1/models/usage?timeframe="+frame, ""), "time_series")[0]["bucket"], frame)
	}

	require.Equal(t, http.StatusBadRequest, b.do("GET", "/v1/models/usage?timeframe=year", "").status)
}

func TestPlatform_Estimates(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	b.paid()

	estimate := func(body string) reply { return b.do("POST", "/v1/models/pricing/estimate", body) }

	require.JSONEq(t, `{"estimate_type":"unit_price","total_cost":0.25,"currency":"USD"}`,
		string(estimate(`{"estimate_type":"unit_price","endpoints":{"fal-ai/flux/dev":{"unit_quantity":10}}}`).raw))
	require.InDelta(t, 0.31, estimate(`{"estimate_type":"unit_price","endpoints":{"fal-ai/flux/dev":{"unit_quantity":12},"fal-ai/z-image/turbo":{"unit_quantity":2}}}`).body["total_cost"], 1e-9)
	require.InDelta(t, 0.2, estimate(`{"estimate_type":"historical_api_price","endpoints":{"fal-ai/flux/dev":{"call_quantity":2}}}`).body["total_cost"], 1e-9)
	require.InDelta(t, 0.01, estimate(`{"estimate_type":"historical_api_price","endpoints":{"fal-ai/z-image/turbo":{"call_quantity":2}}}`).body["total_cost"], 1e-9)

	for body, status := range map[string]int{
		`{`: http.StatusBadRequest,
		`{"estimate_type":"unit_price","endpoints":{}}`:                                         http.StatusBadRequest,
		`{"estimate_type":"guess","endpoints":{"fal-ai/flux/dev":{"unit_quantity":1}}}`:         http.StatusBadRequest,
		`{"estimate_type":"unit_price","endpoints":{"fal-ai/flux/dev":{"call_quantity":1}}}`:    http.StatusBadRequest,
		`{"estimate_type":"unit_price","endpoints":{"fal-ai/no/model":{"unit_quantity":1}}}`:    http.StatusNotFound,
		`{"estimate_type":"unit_price","endpoints":{"fal-ai/flux/dev":{"unit_quantity":-1.5}}}`: http.StatusBadRequest,
	} {
		require.Equal(t, status, estimate(body).status, body)
	}
}

// The search is not bound to an endpoint, and shows payloads while they are kept.
func TestPlatform_Searches(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	ids := b.paid()
	b.submit("fal-ai/flux/dev", `{"prompt":"secret words"}`, "X-Fal-Store-IO", "0")
	b.clock.Move(time.Minute)

	search := func(query string) reply { return b.do("GET", "/v1/models/requests/search?"+query, "") }

	require.Len(t, rows(search(""), "items"), 4)
	require.Len(t, rows(search("status=user_error"), "items"), 1)
	require.Len(t, rows(search("endpoint_id=fal-ai/flux/dev"), "items"), 3)
	require.Equal(t, http.StatusBadRequest, b.do("GET", "/v1/models/requests/by-endpoint", "").status)

	shown := search("expand=payloads")
	require.NotContains(t, string(shown.raw), "secret words")

	first := rows(shown, "items")[3]
	require.Equal(t, ids[0], first["request_id"])
	require.Equal(t, "x", first["json_input"].(map[string]any)["prompt"])
	require.Len(t, first["json_output"].(map[string]any)["images"], 2)

	require.Equal(t, http.StatusOK, b.do("DELETE", "/v1/models/requests/"+ids[0]+"/payloads", "").status)
	require.Nil(t, rows(search("expand=payloads"), "items")[3]["json_output"])
}

func TestPlatform_DescribesModels(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{})
	require.NotContains(t, string(b.do("GET", "/v1/models", "").raw), "openapi")

	models := rows(b.do("GET", "/v1/models?endpoint_id=fal-ai/flux/dev/image-to-image&expand=openapi-3.0", ""), "models")
	require.Len(t, models, 1)
	require.Equal(t, "image-to-image", models[0]["metadata"].(map[string]any)["category"])

	input := models[0]["openapi"].(map[string]any)["components"].(map[string]any)["schemas"].(map[string]any)["Input"].(map[string]any)
	require.ElementsMatch(t, []any{"prompt", "image_url"}, input["required"])
	require.Equal(t, map[string]any{"type": "number", "minimum": 0.01, "maximum": 1.0}, input["properties"].(map[string]any)["strength"])
}

// A key with the lesser scope runs models, and is refused what costs or tells money, and erasing.
func TestPlatform_TellsScopesApart(t *testing.T) {
	t.Parallel()

	const lesser = "Key run:secret"

	b := setup(t, falsim.Options{RunKey: "run:secret", Duration: time.Second})
	id := link(b.submit("fal-ai/flux/dev", `{"prompt":"x"}`, "Authorization", lesser), "request_id")
	require.Equal(t, http.StatusOK, b.do("GET", "/v1/models/pricing", "", "Authorization", lesser).status)

	for _, call := range [][2]string{
		{"GET", "/v1/models/usage"}, {"GET", "/v1/models/billing-events"}, {"GET", "/v1/account/billing"}, {"DELETE", "/v1/models/requests/" + id + "/payloads"},
	} {
		r := b.do(call[0], call[1], "", "Authorization", lesser)
		require.Equal(t, http.StatusForbidden, r.status, call)
		require.Contains(t, string(r.raw), "authorization_error")
		require.Equal(t, http.StatusOK, b.do(call[0], call[1], "").status, call)
	}
}

// An erasure under the same key is answered as before, for ten minutes.
func TestPlatform_ErasesOncePerKey(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second, Knobs: falsim.Knobs{EraseFails: true}})
	accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)
	b.clock.Move(time.Second)

	file := b.images(accepted)[0]
	erase := func(key string) string {
		return string(b.do("DELETE", "/v1/models/requests/"+link(accepted, "request_id")+"/payloads", "", "Idempotency-Key", key).raw)
	}

	require.NotContains(t, erase("a"), "null")
	b.sim.SetKnobs(func(k *falsim.Knobs) { k.EraseFails = false })
	require.NotContains(t, erase("a"), "null")
	require.Equal(t, http.StatusOK, b.do("GET", file, "").status)

	b.clock.Move(10 * time.Minute)
	require.Contains(t, erase("a"), "null")
	require.Equal(t, http.StatusNotFound, b.do("GET", file, "").status)
}

func TestFiles_MayBeSigned(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x","image_size":"square"}`, "X-Fal-Object-Lifecycle-Preference", `{"initial_acl":{"default":"forbid"}}`)
	b.clock.Move(time.Second)

	file := b.images(accepted)[0]
	read := func(url string) int { return b.do("GET", url, "", "Authorization", "").status }
	require.Equal(t, http.StatusForbidden, read(file))

	signed := link(b.do("POST", file+"/sign", `{"duration":60,"scope":["read"]}`).body, "signed_url")
	require.Equal(t, http.StatusOK, read(signed))
	require.Equal(t, http.StatusForbidden, read(signed+"x"))

	b.clock.Move(time.Minute)
	require.Equal(t, http.StatusForbidden, read(signed))

	require.Equal(t, http.StatusUnauthorized, b.do("POST", file+"/sign", `{}`, "Authorization", "").status)
	require.Equal(t, http.StatusNotFound, b.do("POST", file+"x/sign", `{}`).status)

	for _, bad := range []string{`{"duration":604801}`, `{"duration":-1}`, `{"scope":["write"]}`} {
		require.Equal(t, http.StatusUnprocessableEntity, b.do("POST", file+"/sign", bad).status, bad)
	}
}

// The way of fal's Python client: a token, and then the file in one call.
func TestUpload_InOneCall(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{})
	token := "Bearer " + link(b.do("POST", "/rest/storage/auth/token?storage_type=fal-cdn-v3", "{}").body, "token")
	post := func(header ...string) reply { return b.do("POST", "/files/upload", "data", header...) }

	r := post("Authorization", token, "X-Fal-File-Name", "a.txt", "Content-Type", "text/plain", "X-Fal-Object-Lifecycle-Preference", `{"expiration_duration_seconds":60}`)
	require.Equal(t, http.StatusOK, r.status)

	file := link(r.body, "access_url")
	r = b.do("GET", file, "", "Authorization", "")
	require.Equal(t, "data", string(r.raw))
	require.Equal(t, "text/plain", r.header.Get("Content-Type"))

	b.clock.Move(2 * time.Minute)
	require.Equal(t, http.StatusNotFound, b.do("GET", file, "").status)

	require.Equal(t, http.StatusUnauthorized, post("X-Fal-File-Name", "a.txt").status, "a key is no token")
	require.Equal(t, http.StatusUnprocessableEntity, post("Authorization", token).status)
}
