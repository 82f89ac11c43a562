package sdktest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

// minutes of a clock that moves by minutes: a request is seen in each of its states.
func minutes() falsim.Options {
	return falsim.Options{Duration: time.Minute, QueueTime: time.Minute}
}

func TestSDK_SubmitStatusResult(t *testing.T) {
	t.Parallel()

	got, sim := runSteps[struct {
		Submitted status   `json:"submitted"`
		Statuses  []status `json:"statuses"`
		Quiet     status   `json:"quiet"`
		Result    result   `json:"result"`
		Image     download `json:"image"`
	}](t, "queue", minutes())

	id := got.Submitted.RequestID
	require.NotEmpty(t, id)
	require.Equal(t, "IN_QUEUE", got.Submitted.Status)
	require.Equal(t, id, got.Submitted.GatewayID)
	require.NotNil(t, got.Submitted.QueuePosition)

	seen := map[string]status{}
	for _, s := range got.Statuses {
		require.Equal(t, id, s.RequestID)
		require.Equal(t, s.Status == "IN_QUEUE", s.QueuePosition != nil)
		seen[s.Status] = s
	}

	require.Len(t, seen, 3, "queued, running, completed")
	require.Len(t, seen["COMPLETED"].Logs, 10, "started, eight steps, ended")
	require.Nil(t, got.Quiet.Logs, "none were asked for")
	require.Positive(t, got.Quiet.Metrics.InferenceTime)

	require.Equal(t, id, got.Result.RequestID, "from the header")
	require.EqualValues(t, 7, got.Result.Data.Seed)
	require.Equal(t, "a lighthouse", got.Result.Data.Prompt)
	require.Equal(t, http.StatusOK, got.Image.Status)
	require.Equal(t, "image/jpeg", got.Image.Type)

	call := sim.Requests(falsim.RouteSubmit)[0]
	target, err := url.Parse(call.URL)
	require.NoError(t, err)
	require.Equal(t, "https://hooks.example/fal?a=1&b=2", target.Query().Get("fal_webhook"))

	for name, want := range map[string]string{
		"X-Fal-Queue-Priority": "low", "X-Fal-Runner-Hint": "warm", "X-Fal-Request-Timeout": "30", "X-Fal-Tags": "attempt=1",
		"X-Fal-Store-Io": "0", "X-Fal-Object-Lifecycle-Preference": `{"expiration_duration_seconds":3600}`,
	} {
		require.Equal(t, want, call.Header.Get(name), name)
	}
}

type subscribed struct {
	Enqueued []string `json:"enqueued"`
	Updates  []status `json:"updates"`
	Result   result   `json:"result"`
}

func TestSDK_Subscribes(t *testing.T) {
	t.Parallel()

	for mode, calls := range map[string]func(falsim.Stats) int64{
		"subscribePolling":   func(s falsim.Stats) int64 { return s.Statuses },
		"subscribeStreaming": func(s falsim.Stats) int64 { return s.Streams },
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()

			got, sim := runSteps[subscribed](t, mode, minutes())

			require.Equal(t, []string{got.Result.RequestID}, got.Enqueued)
			require.Len(t, got.Result.Data.Images, 1)
			require.Positive(t, calls(sim.Stats()))

			order := []string{}

			for _, u := range got.Updates {
				if len(order) == 0 || order[len(order)-1] != u.Status {
					order = append(order, u.Status)
				}
			}

			require.Equal(t, []string{"IN_QUEUE", "IN_PROGRESS", "COMPLETED"}, order)

			last := got.Updates[len(got.Updates)-1]
			require.Len(t, last.Logs, 10, "started, eight steps, ended: each line once")
			require.Equal(t, []logLine{{"Painting started."}, {"Painting ended."}}, []logLine{last.Logs[0], last.Logs[9]})
		})
	}
}

func TestSDK_StreamsTheStatus(t *testing.T) {
	t.Parallel()

	got, _ := runSteps[struct {
		RequestID string   `json:"requestId"` //nolint:tagliatelle // the client's own
		Streamed  string   `json:"streamed"`
		Events    []status `json:"events"`
		Last      status   `json:"last"`
	}](t, "streamStatus", minutes())

	require.Equal(t, got.RequestID, got.Streamed)
	require.Len(t, got.Events, 3)
	require.Equal(t, "COMPLETED", got.Last.Status)
	require.Equal(t, got.Last, got.Events[len(got.Events)-1])

	unknown, _ := run[failure](t, "streamUnknown", falsim.Options{})
	require.Equal(t, http.StatusNotFound, unknown.Status)
}

func TestSDK_GivesUpAndCancels(t *testing.T) {
	t.Parallel()

	got, sim := run[failure](t, "subscribeTimeout", falsim.Options{Duration: time.Hour})
	require.Contains(t, got.Message, "timed out")
	require.EqualValues(t, 1, sim.Stats().Cancels)
	require.Equal(t, http.StatusAccepted, sim.Requests(falsim.RouteCancel)[0].Status)
}

func TestSDK_Cancels(t *testing.T) {
	t.Parallel()

	got, _ := runSteps[struct{ Removed, Asked, Result, TooLate, Unknown failure }](t, "cancel", falsim.Options{Duration: time.Minute, Slots: 1})

	require.Equal(t, failure{}, got.Removed)
	require.Equal(t, failure{}, got.Asked)
	require.Equal(t, 499, got.Result.Status)
	require.Equal(t, "ALREADY_COMPLETED", got.TooLate.Body.Status)
	require.Equal(t, http.StatusBadRequest, got.TooLate.Status)
	require.Equal(t, http.StatusNotFound, got.Unknown.Status)
}

func TestSDK_IsToldThatItIsTooEarly(t *testing.T) {
	t.Parallel()

	got, _ := run[struct {
		RequestID string  `json:"requestId"` //nolint:tagliatelle // the client's own
		Result    failure `json:"result"`
	}](t, "tooEarly", falsim.Options{Duration: time.Hour})
	require.Equal(t, http.StatusBadRequest, got.Result.Status)
	require.Equal(t, "Request is still in progress", got.Result.Body.Detail)
	require.Equal(t, got.RequestID, got.Result.RequestID)
}

func TestSDK_KnowsItsErrors(t *testing.T) {
	t.Parallel()

	t.Run("Validation", func(t *testing.T) {
		t.Parallel()

		got, _ := run[struct{ Newer, Older failure }](t, "validation", falsim.Options{})
		for kind, f := range map[string]failure{"less_than_equal": got.Newer, "value_error.number.not_le": got.Older} {
			require.True(t, f.Validation)
			require.True(t, f.API)
			require.Equal(t, http.StatusUnprocessableEntity, f.Status)
			require.Len(t, f.Fields, 1)
			require.Equal(t, kind, f.Fields[0].Type)
			require.Equal(t, []any{"body", "num_images"}, f.Fields[0].Loc)
			require.Equal(t, f.Fields, f.Images)
			require.NotEmpty(t, f.RequestID)
		}
	})

	t.Run("StringDetail", func(t *testing.T) {
		t.Parallel()

		got, _ := run[failure](t, "failed", falsim.Options{Knobs: falsim.Knobs{Ending: "string_detail"}})
		require.True(t, got.Validation)
		require.Equal(t, []field{{Loc: []any{"body"}, Msg: "The prompt was not accepted.", Type: "value_error"}}, got.Fields)
	})

	t.Run("Failed", func(t *testing.T) {
		t.Parallel()

		got, _ := run[failure](t, "failed", falsim.Options{Knobs: falsim.Knobs{Ending: "runner_server_error"}})
		require.True(t, got.API)
		require.False(t, got.Validation)
		require.Equal(t, http.StatusInternalServerError, got.Status)
	})

	t.Run("Unknown", func(t *testing.T) {
		t.Parallel()

		got, _ := run[struct{ Status, Result, App failure }](t, "unknown", falsim.Options{})
		require.Equal(t, http.StatusNotFound, got.Status.Status)
		require.Equal(t, "NOT_FOUND", got.Status.Body.Status)
		require.Equal(t, http.StatusNotFound, got.Result.Status)
		require.Equal(t, `Application "no-such-app" not found`, got.App.Body.Detail)
	})

	t.Run("WrongKey", func(t *testing.T) {
		t.Parallel()

		got, sim := run[struct{ Submit, Upload failure }](t, "wrongKey", falsim.Options{}, wrongKey())
		for _, f := range []failure{got.Submit, got.Upload} {
			require.True(t, f.API)
			require.Equal(t, http.StatusUnauthorized, f.Status)
			require.Equal(t, "No user found for Key ID and Secret", f.Body.Detail)
		}

		require.Zero(t, sim.Stats().Accepted)
	})

	t.Run("StartTimeout", func(t *testing.T) {
		t.Parallel()

		got, sim := run[failure](t, "startTimeout", falsim.Options{Duration: time.Hour, Slots: 1})
		require.Equal(t, http.StatusGatewayTimeout, got.Status)
		require.True(t, got.UserTimeout)
		require.EqualValues(t, 1, sim.Stats().Results, "it does not ask again")
	})
}

// The client submits again when it has lost the reply: both are accepted.
func TestSDK_SubmitsAgain(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		rule     falsim.Rule
		accepted int64
	}{
		"503":  {falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActAnswer, Status: http.StatusServiceUnavailable, Body: "{}"}, 1},
		"Lost": {falsim.Rule{Route: falsim.RouteSubmit, Action: falsim.ActLose}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			got, sim := run[struct{ Submitted status }](t, "submitAgain", falsim.Options{}, func(s *falsim.Sim) {
				_, err := s.AddRule(c.rule)
				require.NoError(t, err)
			})
			require.NotEmpty(t, got.Submitted.RequestID)
			require.EqualValues(t, 2, sim.Stats().Submits)
			require.Equal(t, c.accepted, sim.Stats().Accepted)
		})
	}
}

func TestSDK_Uploads(t *testing.T) {
	t.Parallel()

	got, sim := run[struct {
		URL    string   `json:"url"`
		Size   int      `json:"size"`
		Stored download `json:"stored"`
		ByURL  result   `json:"byURL"`  //nolint:tagliatelle // the script's own
		ByBlob result   `json:"byBlob"` //nolint:tagliatelle // the script's own
	}](t, "upload", falsim.Options{})

	require.Equal(t, "image/png", got.Stored.Type)
	require.Equal(t, got.Size, got.Stored.Bytes)
	require.True(t, strings.HasSuffix(got.URL, "photo.png"))

	for _, r := range []result{got.ByURL, got.ByBlob} {
		require.Equal(t, []int{512, 512}, []int{r.Data.Images[0].Width, r.Data.Images[0].Height}, "as the reference")
	}

	require.EqualValues(t, 2, sim.Stats().Uploads, "the file, and the one within an input")
	require.JSONEq(t, `{"expiration_duration_seconds":86400}`, sim.Requests(falsim.RouteUpload)[0].Header.Get("X-Fal-Object-Lifecycle"))

	for _, put := range sim.Requests(falsim.RoutePut) {
		require.Empty(t, put.Header.Get("Authorization"))
	}

	parts, sim := run[struct {
		URL    string   `json:"url"`
		SHA256 string   `json:"sha256"`
		Stored download `json:"stored"`
	}](t, "uploadInParts", falsim.Options{})
	require.Equal(t, download{Status: http.StatusOK, Type: "application/x-test", Bytes: 91 << 20, SHA256: parts.SHA256}, parts.Stored)
	require.EqualValues(t, 10+1, sim.Stats().Puts)
}
