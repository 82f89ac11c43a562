package falsim_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

func TestQueue_TellsTheStoryOfARequest(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: 4 * time.Second, Slots: 1})
	first := b.submit("fal-ai/flux/dev", `{"prompt":"a fox"}`)
	second := b.submit("fal-ai/flux/dev", `{"prompt":"a fox"}`)
	third := b.submit("fal-ai/flux/dev", `{"prompt":"a fox"}`)

	require.Equal(t, "IN_QUEUE", first["status"])
	require.Contains(t, first, "logs")
	require.Equal(t, map[string]any{}, first["metrics"])
	require.InDelta(t, 0, first["queue_position"], 0)
	require.InDelta(t, 1, third["queue_position"], 0)
	id := link(second, "request_id")
	require.Equal(t, b.url+"/queue/fal-ai/flux/requests/"+id, second["response_url"])
	require.Equal(t, b.url+"/queue/fal-ai/flux/requests/"+id+"/status", second["status_url"])
	require.Equal(t, b.url+"/queue/fal-ai/flux/requests/"+id+"/cancel", second["cancel_url"])

	s := b.do("GET", link(first, "status_url"), "")
	require.Equal(t, http.StatusAccepted, s.status)
	require.Equal(t, "IN_PROGRESS", s.body["status"])
	require.NotContains(t, s.body, "queue_position")
	require.Nil(t, s.body["logs"])

	s = b.do("GET", link(third, "status_url"), "")
	require.Equal(t, http.StatusAccepted, s.status)
	require.InDelta(t, 1, s.body["queue_position"], 0)

	r := b.do("GET", link(first, "response_url"), "")
	require.Equal(t, http.StatusBadRequest, r.status)
	require.Equal(t, "Request is still in progress", r.body["detail"])

	b.clock.Move(4 * time.Second)

	s = b.do("GET", link(first, "status_url")+"?logs=1", "")
	require.Equal(t, http.StatusOK, s.status)
	require.Equal(t, "COMPLETED", s.body["status"])
	require.Len(t, s.body["logs"], 10, "started, eight steps, ended")
	require.Equal(t, map[string]any{"inference_time": 4.0}, s.body["metrics"])

	s = b.do("GET", link(third, "status_url"), "")
	require.InDelta(t, 0, s.body["queue_position"], 0, "the queue moved up")

	// Every form of the address that has been seen works.
	for _, form := range []string{"/queue/fal-ai/flux/requests/", "/queue/fal-ai/flux/dev/requests/"} {
		for _, end := range []string{"", "/", "/response"} {
			r = b.do("GET", form+link(first, "request_id")+end, "")
			require.Equal(t, http.StatusOK, r.status, form+end)
		}

		s = b.do("GET", form+link(first, "request_id")+"/status/", "")
		require.Equal(t, http.StatusOK, s.status)
	}

	require.Equal(t, link(first, "request_id"), r.header.Get("X-Fal-Request-Id"))
	require.Equal(t, "1", r.header.Get("X-Fal-Billable-Units"))
	require.Equal(t, "a fox", r.body["prompt"])
	require.Equal(t, []any{false}, r.body["has_nsfw_concepts"])

	s = b.do("GET", "/queue/fal-ai/flux/requests/unknown/status", "")
	require.Equal(t, http.StatusNotFound, s.status)
	require.Equal(t, map[string]any{"status": "NOT_FOUND"}, s.body)
}

func TestQueue_Authenticates(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{})

	for header, detail := range map[string]string{
		"":              `Cannot access application "fal-ai/flux". Authentication is required to access this application.`,
		"Bearer x":      "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'.",
		"Key nocolon":   "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'.",
		"Key id:wrong":  "No user found for Key ID and Secret",
		"key id:secret": "Invalid Key Authorization header format. Expected '<key_id>:<key_secret>'.",
	} {
		r := b.do("POST", "/queue/fal-ai/flux/dev", `{"prompt":"x"}`, "Authorization", header)
		require.Equal(t, http.StatusUnauthorized, r.status)
		require.Equal(t, detail, r.body["detail"])
	}

	r := b.do("GET", "/v1/account/billing", "", "Authorization", "Key id:wrong")
	require.Equal(t, http.StatusUnauthorized, r.status)
	require.Contains(t, r.body, "error")

	b.sim.SetKnobs(func(k *falsim.Knobs) { k.ExhaustedBalance = true })
	r = b.do("POST", "/queue/fal-ai/flux/dev", `{"prompt":"x"}`)
	require.Equal(t, http.StatusForbidden, r.status)
	require.Contains(t, r.body["detail"], "Exhausted balance")

	require.Zero(t, b.sim.Stats().Accepted)
}

func TestQueue_ReportsBadInputThroughTheResult(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ endpoint, body, kind string }{
		"NoPrompt":         {"fal-ai/z-image/turbo", `{}`, "missing"},
		"NoPromptOld":      {"fal-ai/flux/schnell", `{}`, "value_error.missing"},
		"TooManyImages":    {"fal-ai/flux/dev", `{"prompt":"x","num_images":5}`, "less_than_equal"},
		"TooManySteps":     {"fal-ai/z-image/turbo", `{"prompt":"x","num_inference_steps":9}`, "less_than_equal"},
		"TooFewSteps":      {"fal-ai/flux/dev/image-to-image", `{"prompt":"x","image_url":"https://a.example/x.png","num_inference_steps":9}`, "greater_than_equal"},
		"GuidanceTooLow":   {"fal-ai/flux/schnell", `{"prompt":"x","guidance_scale":0.5}`, "value_error.number.not_ge"},
		"UnknownFormat":    {"fal-ai/flux/dev", `{"prompt":"x","output_format":"webp"}`, "literal_error"},
		"UnknownSize":      {"fal-ai/qwen-image", `{"prompt":"x","image_size":"auto"}`, "enum"},
		"SideTooLong":      {"fal-ai/qwen-image", `{"prompt":"x","image_size":{"width":14143,"height":1}}`, "enum"},
		"WrongType":        {"fal-ai/flux/dev", `{"prompt":7}`, "string_type"},
		"NotAnInteger":     {"fal-ai/flux/dev", `{"prompt":"x","seed":1.5}`, "int_parsing"},
		"StrengthTooLow":   {"fal-ai/flux/dev/image-to-image", `{"prompt":"x","image_url":"https://a.example/x.png","strength":0}`, "greater_than_equal"},
		"StrengthTooHigh":  {"fal-ai/qwen-image/image-to-image", `{"prompt":"x","image_url":"https://a.example/x.png","strength":1.01}`, "less_than_equal"},
		"NoReference":      {"fal-ai/z-image/turbo/image-to-image", `{"prompt":"x"}`, "missing"},
		"BrokenReference":  {"fal-ai/z-image/turbo/image-to-image", `{"prompt":"x","image_url":"ftp://a.example/x.png"}`, "file_download_error"},
		"ForbiddenContent": {"fal-ai/flux/dev", `{"prompt":"a forbidden thing"}`, "content_policy_violation"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, falsim.Options{})
			accepted := b.submit(c.endpoint, c.body)
			s := b.await(accepted)
			require.Equal(t, "COMPLETED", s.body["status"])
			require.Equal(t, c.kind, s.body["error_type"])

			r := b.do("GET", link(accepted, "response_url"), "")
			require.Equal(t, http.StatusUnprocessableEntity, r.status)
			require.Equal(t, "false", r.header.Get("X-Fal-Retryable"))

			var body struct {
				Detail []struct {
					Loc  []any  `json:"loc"`
					Msg  string `json:"msg"`
					Type string `json:"type"`
				} `json:"detail"`
			}
			require.NoError(t, json.Unmarshal(r.raw, &body))
			require.Equal(t, c.kind, body.Detail[0].Type)
			require.Equal(t, "body", body.Detail[0].Loc[0])
			require.NotEmpty(t, body.Detail[0].Msg)
		})
	}
}

func TestQueue_AcceptsWhatTheModelsAccept(t *testing.T) {
	t.Parallel()

	photo := serveBytes(t, encodePNG(t, 64, 48))

	for endpoint, body := range map[string]string{
		"fal-ai/z-image/turbo":                `{"prompt":"x","num_inference_steps":8,"output_format":"webp","image_size":{"width":640,"height":360},"unknown":1}`,
		"fal-ai/z-image/turbo/image-to-image": `{"prompt":"x","image_url":"` + photo + `","image_size":"auto","strength":0}`,
		"fal-ai/flux/schnell":                 `{"prompt":"x","num_inference_steps":12,"guidance_scale":20}`,
		"fal-ai/flux/dev":                     `{"prompt":"x","image_size":"square","num_images":4,"seed":9007199254740993}`,
		"fal-ai/flux/dev/image-to-image":      `{"prompt":"x","image_url":"` + photo + `","strength":0.01}`,
		"fal-ai/qwen-image":                   `{"prompt":"x","negative_prompt":" ","use_turbo":true,"loras":[]}`,
		"fal-ai/qwen-image/image-to-image":    `{"prompt":"x","image_url":"` + photo + `","strength":1,"image_size":"square"}`,
	} {
		b := setup(t, falsim.Options{Duration: time.Second, AllowPrivateCallbacks: true})
		accepted := b.submit(endpoint, body)
		b.clock.Move(time.Second)
		b.await(accepted)

		r := b.do("GET", link(accepted, "response_url"), "")
		require.Equal(t, http.StatusOK, r.status, string(r.raw))
	}

	b := setup(t, falsim.Options{})
	require.Equal(t, http.StatusNotFound, b.do("POST", "/queue/fal-ai/no-such-app", `{}`).status)
	require.Equal(t, http.StatusNotFound, b.do("POST", "/queue/fal-ai", `{}`).status)

	sub := b.submit("fal-ai/flux/no-such-path", `{"prompt":"x"}`)
	r := b.do("GET", link(sub, "response_url"), "")
	require.Equal(t, http.StatusNotFound, r.status)
	require.Equal(t, "Path /no-such-path not found", r.body["detail"])
}

func TestQueue_ForgetsResultsAndFiles(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		prompt string
		header []string
		lives  time.Duration
	}{
		"SmallOneHour":    {"x", []string{"X-Fal-Store-Io", "0"}, time.Hour},
		"BigSixMinutes":   {strings.Repeat("x", 10_000), []string{"X-Fal-Store-Io", "0"}, 6 * time.Minute},
		"StoredMuchLater": {"x", nil, 30 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, falsim.Options{Duration: time.Second})
			accepted := b.submit("fal-ai/flux/dev", `{"prompt":"`+c.prompt+`"}`, c.header...)

			b.clock.Move(time.Second + c.lives)
			require.Equal(t, http.StatusOK, b.do("GET", link(accepted, "response_url"), "").status)
			b.clock.Move(time.Second)
			require.Equal(t, http.StatusNotFound, b.do("GET", link(accepted, "response_url"), "").status)
			require.Equal(t, http.StatusNotFound, b.do("GET", link(accepted, "status_url"), "").status)
		})
	}

	b := setup(t, falsim.Options{Duration: time.Second})
	accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x","image_size":"square"}`, "X-Fal-Object-Lifecycle-Preference", `{"expiration_duration_seconds":3600}`)
	b.clock.Move(time.Second)
	file := b.images(accepted)[0]
	b.clock.Move(time.Hour)
	require.Equal(t, http.StatusOK, b.do("GET", file, "").status)
	b.clock.Move(time.Second)
	require.Equal(t, http.StatusNotFound, b.do("GET", file, "").status)
}

func TestQueue_Cancels(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: 4 * time.Second, Slots: 1})
	runs := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)
	waits := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)

	r := b.do("PUT", link(waits, "cancel_url"), "")
	require.Equal(t, http.StatusOK, r.status)
	require.Equal(t, map[string]any{"status": "OK"}, r.body)
	require.Equal(t, 499, b.do("GET", link(waits, "response_url"), "").status)

	r = b.do("PUT", link(runs, "cancel_url"), "")
	require.Equal(t, http.StatusAccepted, r.status)
	require.Equal(t, map[string]any{"status": "CANCELLATION_REQUESTED"}, r.body)

	b.clock.Move(4 * time.Second)
	require.Equal(t, http.StatusOK, b.do("GET", link(runs, "response_url"), "").status, "it completed all the same")

	r = b.do("PUT", link(runs, "cancel_url"), "")
	require.Equal(t, http.StatusBadRequest, r.status)
	require.Equal(t, map[string]any{"status": "ALREADY_COMPLETED"}, r.body)

	r = b.do("PUT", "/queue/fal-ai/flux/requests/unknown/cancel", "")
	require.Equal(t, http.StatusNotFound, r.status)

	b.sim.SetKnobs(func(k *falsim.Knobs) { k.CancelStops = true })
	runs = b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)
	require.Equal(t, http.StatusAccepted, b.do("PUT", link(runs, "cancel_url"), "").status)
	require.Equal(t, 499, b.do("GET", link(runs, "response_url"), "").status)
}

func TestQueue_EndsWhatDoesNotStartInTime(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Minute, Slots: 1})
	b.submit("fal-ai/flux/dev", `{"prompt":"x"}`, "X-Fal-Request-Start-Timeout", "5") // starts at once: not touched
	late := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`, "X-Fal-Request-Start-Timeout", "5")

	b.clock.Move(5 * time.Second)

	r := b.do("GET", link(late, "response_url"), "")
	require.Equal(t, http.StatusGatewayTimeout, r.status)
	require.Equal(t, map[string]any{"detail": "Request timed out", "error_type": "request_timeout"}, r.body)
	require.Equal(t, "user", r.header.Get("X-Fal-Request-Timeout-Type"))
	require.Equal(t, "request_timeout", r.header.Get("X-Fal-Error-Type"))
	require.Equal(t, 1, b.sim.Stats().Running)

	r = b.do("POST", "/queue/fal-ai/flux/dev?fal_max_queue_length=0", `{"prompt":"x"}`)
	require.Equal(t, http.StatusOK, r.status)
	r = b.do("POST", "/queue/fal-ai/flux/dev?fal_max_queue_length=0", `{"prompt":"x"}`)
	require.Equal(t, http.StatusTooManyRequests, r.status)
}

func TestQueue_StreamsTheStatus(t *testing.T) {
	t.Parallel()

	b := setup(t, falsim.Options{Duration: time.Second})
	accepted := b.submit("fal-ai/flux/dev", `{"prompt":"x"}`)

	go func() {
		for b.sim.Stats().Streams == 0 {
			runtime.Gosched()
		}

		b.clock.Move(time.Second)
	}()

	r := b.do("GET", link(accepted, "status_url")+"/stream?logs=1", "")
	require.Equal(t, "text/event-stream", r.header.Get("Content-Type"))

	events := bytes.Split(bytes.TrimSpace(r.raw), []byte("\n\n"))
	require.Contains(t, string(events[len(events)-1]), `"status":"COMPLETED"`)
	require.True(t, bytes.HasPrefix(events[0], []byte("data: {")))
}
