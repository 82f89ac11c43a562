package fal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/providers"
	"imagerun/internal/simulators/falsim"
)

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
		"Download":         {422, own, detail("file_download_error"), providers.Rejected, "reference_rejected"},
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
		"NotAModelsAnswer": {200, nil, `{}`, providers.Transient, "provider_error"},
		"NullAnswer":       {200, nil, `null`, providers.Transient, "provider_error"},
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
