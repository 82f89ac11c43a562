package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
)

const smallest = `{"model":"z-image-turbo","prompt":"a lighthouse"}`

func TestSubmit(t *testing.T) {
	t.Parallel()

	accept := func(b *bundle) *generation.Submission {
		var got generation.Submission

		b.submit = func(s generation.Submission) (generation.Generation, *idempotency.Record, error) {
			got = s

			return sample(generation.StatusQueued, 1), nil, nil
		}

		return &got
	}

	t.Run("AnswersBeforeAnythingHappens", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		got := accept(b)

		w := b.do("POST", "/v1/generations", smallest)

		require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())
		require.Equal(t, "/v1/generations/"+sampleID, w.Header().Get("Location"))
		require.NotEmpty(t, w.Header().Get("ETag"))
		require.Empty(t, w.Header().Get("Idempotent-Replayed"))
		contractOf(t).requireConforms(t, "202", "post", "/v1/generations", w)

		require.Equal(t, alice, got.UserID)
		require.Equal(t, "a lighthouse", got.Prompt.Reveal())
		require.Nil(t, got.Seed, "what was not given is not given")
		require.Nil(t, got.Metadata)
		require.Empty(t, got.Fingerprint)

		g := decode[httpapi.Generation](t, w)
		require.Equal(t, 3, g.Queue.Position)
		require.Nil(t, g.Progress)
		require.EqualValues(t, catalogue.SeedMax, g.Parameters.Seed)
		require.Equal(t, map[string]string{"project": "calendar"}, g.Metadata)
	})

	t.Run("PassesEverythingOn", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		got := accept(b)

		// 4.0 is an integer to JSON Schema.
		w := b.do("POST", "/v1/generations", `{"model":"m","prompt":"p","negative_prompt":"n","width":1024,"height":512,"quality":"high",
			"num_images":4.0,"seed":9007199254740991,"output_format":"webp","deadline_seconds":60,"lane":"background","metadata":{"b":"2","a":"1"}}`)
		require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())

		require.Equal(t, "n", got.NegativePrompt.Reveal())
		require.Equal(t, []int{1024, 512, 4, 60}, []int{*got.Width, *got.Height, *got.NumImages, *got.DeadlineSeconds})
		require.EqualValues(t, catalogue.SeedMax, *got.Seed)
		require.Equal(t, []string{"high", "webp"}, []string{*got.Quality, *got.OutputFormat})
		require.JSONEq(t, `{"a":"1","b":"2"}`, string(got.Metadata))
		require.Nil(t, got.AspectRatio)
		require.True(t, got.Background)
	})

	t.Run("FingerprintIsTheMeaning", func(t *testing.T) {
		t.Parallel()

		print := func(body, key string) string {
			b := setup(t)
			got := accept(b)
			w := b.do("POST", "/v1/generations", body, "Idempotency-Key", key)
			require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())
			require.Equal(t, "k1", got.IdempotencyKey)

			return fmt.Sprintf("%x", got.Fingerprint)
		}

		base := print(`{"model":"m","prompt":"p","seed":100,"metadata":{"a":"1","b":"2"}}`, "k1")
		require.Len(t, base, 64)
		require.Equal(t, base, print(`{ "metadata": {"b":"2","a":"1"}, "seed": 1e2, "prompt": "\u0070", "model": "m" }`, `"k1"`))
		require.Equal(t, base, print(`{"model":"m","prompt":"p","seed":100.0,"quality":null,"reference":null,"metadata":{"a":"1","b":"2"}}`, "k1"))
		require.NotEqual(t, base, print(`{"model":"m","prompt":"p","seed":101,"metadata":{"a":"1","b":"2"}}`, "k1"))
	})

	t.Run("ReplayHasTheFirstStatus", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.submit = func(generation.Submission) (generation.Generation, *idempotency.Record, error) {
			g := sample(generation.StatusSucceeded, 9)

			return g, &idempotency.Record{ResourceID: g.ID, Status: http.StatusAccepted}, nil
		}

		w := b.do("POST", "/v1/generations", smallest, "Idempotency-Key", "k1")

		require.Equal(t, http.StatusAccepted, w.Code)
		require.Equal(t, "true", w.Header().Get("Idempotent-Replayed"))
		require.Equal(t, "/v1/generations/"+sampleID, w.Header().Get("Location"))
		contractOf(t).requireConforms(t, "202", "post", "/v1/generations", w)
		require.Equal(t, httpapi.GenerationStatusSucceeded, decode[httpapi.Generation](t, w).Status, "the resource is rendered as it is now")
	})

	t.Run("FaultsOfTheDomain", func(t *testing.T) {
		t.Parallel()

		for _, c := range []struct {
			err        error
			status     int
			code       string
			retryable  bool
			retryAfter string
		}{
			{catalogue.ErrInvalid, 422, "validation_failed", false, ""},
			{generation.ErrQueueFull, 429, "queue_full", true, "10"},
			{idempotency.ErrInFlight, 409, "idempotency_in_flight", true, "1"},
			{idempotency.ErrMismatch, 422, "idempotency_mismatch", false, ""},
			{fmt.Errorf("submit: %w", errUnavailable), 503, "auth_unavailable", true, "2"},
			{fmt.Errorf("the database said CANARY-7f3a"), 500, "internal_error", true, ""},
		} {
			b := setup(t)
			b.submit = func(generation.Submission) (generation.Generation, *idempotency.Record, error) {
				return generation.Generation{}, nil, c.err
			}

			w := b.do("POST", "/v1/generations", smallest)
			p := requireCode(t, w, c.status, c.code)
			require.Equal(t, c.retryable, p.Retryable, c.code)
			require.Equal(t, c.retryAfter, w.Header().Get("Retry-After"), c.code)
			require.NotContains(t, w.Body.String(), canary)
		}
	})
}

func TestGet(t *testing.T) {
	t.Parallel()

	t.Run("EveryStatusConforms", func(t *testing.T) {
		t.Parallel()

		for _, status := range generation.Statuses() {
			b := setup(t)
			b.get = ofAlice(sample(status, 5))

			w := b.do("GET", "/v1/generations/"+sampleID, "")
			require.Equal(t, http.StatusOK, w.Code)
			contractOf(t).requireConforms(t, "200", "get", "/v1/generations/{id}", w)
		}
	})

	t.Run("ProgressIsKnownOrAbsent", func(t *testing.T) {
		t.Parallel()

		want := map[generation.Status]*float64{
			generation.StatusQueued: nil, generation.StatusRunning: nil, generation.StatusStoring: new(0.5),
			generation.StatusSucceeded: new(1.0), generation.StatusFailed: nil,
		}
		for status, progress := range want {
			b := setup(t)
			b.get = ofAlice(sample(status, 5))

			g := decode[httpapi.Generation](t, b.do("GET", "/v1/generations/"+sampleID, ""))
			require.Equal(t, progress, g.Progress, status)
			require.Equal(t, status == generation.StatusFailed, g.Failure != nil)
		}
	})

	t.Run("ProgressHasTwoDecimalsAndNeverGoesBack", func(t *testing.T) {
		t.Parallel()

		for status, want := range map[generation.Status]float64{
			generation.StatusRunning: 0.67, generation.StatusStoring: 0.67, generation.StatusPartial: 1, generation.StatusSucceeded: 1,
		} {
			b := setup(t)
			b.get = func(uuid.UUID, uuid.UUID) (generation.Generation, error) {
				g := sample(status, 5)
				g.Progress = new(float64(float32(2.0 / 3)))

				return g, nil
			}

			g := decode[httpapi.Generation](t, b.do("GET", "/v1/generations/"+sampleID, ""))
			require.Equal(t, new(want), g.Progress, status)
		}
	})

	t.Run("DelayAndMissingImagesAreShown", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.get = func(uuid.UUID, uuid.UUID) (generation.Generation, error) {
			g := sample(generation.StatusStoring, 5)
			g.Delay = &generation.Delay{Reason: generation.DelayStoring, Since: g.CreatedAt}
			g.Images[1].Status, g.Images[1].FailureCode = generation.ImageFailed, generation.FailureNoImage

			return g, nil
		}

		w := b.do("GET", "/v1/generations/"+sampleID, "")
		contractOf(t).requireConforms(t, "200", "get", "/v1/generations/{id}", w)

		g := decode[httpapi.Generation](t, w)
		require.EqualValues(t, "storing_again", g.Delay.Reason)
		require.EqualValues(t, "no_image", g.Images[1].Failure.Code)
		require.NotEmpty(t, g.Images[1].Failure.Message)
	})

	t.Run("ETag", func(t *testing.T) {
		t.Parallel()

		tag := func(g generation.Generation) string {
			b := setup(t)
			b.get = ofAlice(g)

			return b.do("GET", "/v1/generations/"+sampleID, "").Header().Get("ETag")
		}

		stored := sample(generation.StatusSucceeded, 9)
		first := tag(stored)
		require.Equal(t, first, tag(stored))
		require.NotEqual(t, first, tag(sample(generation.StatusSucceeded, 10)), "another sequence")

		next := stored
		next.Images = []generation.Image{stored.Images[0], stored.Images[1]}
		next.Images[1].ExpiresAt = next.Images[1].ExpiresAt.Add(time.Hour)
		require.NotEqual(t, first, tag(next), "links signed anew")

		queued := sample(generation.StatusQueued, 1)
		moved := queued
		moved.QueuePosition = new(2)
		require.NotEqual(t, tag(queued), tag(moved), "another place in line")

		for header, status := range map[string]int{
			first: 304, "W/" + first: 304, "*": 304, `"x", ` + first: 304, `"x"`: 200, "": 200,
		} {
			b := setup(t)
			b.get = ofAlice(stored)

			w := b.do("GET", "/v1/generations/"+sampleID, "", "If-None-Match", header)
			require.Equal(t, status, w.Code, header)
			require.Equal(t, first, w.Header().Get("ETag"))

			if status == http.StatusNotModified {
				require.Empty(t, w.Body.String())
			}
		}
	})

	t.Run("AnothersIsNotThere", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.get = ofAlice(sample(generation.StatusQueued, 1))

		absent := requireCode(t, b.do("GET", "/v1/generations/gen_ffffffffffffffffffffffffffffffff", ""), 404, "not_found")
		anothers := requireCode(t, b.do("GET", "/v1/generations/"+sampleID, "", "Authorization", "Bearer bob"), 404, "not_found")
		malformed := requireCode(t, b.do("GET", "/v1/generations/gen_1", "", "Authorization", "Bearer bob"), 404, "not_found")

		for _, p := range []*httpapi.Problem{&absent, &anothers, &malformed} {
			p.Instance, p.RequestID = "", ""
		}

		require.Empty(t, cmp.Diff(absent, anothers))
		require.Empty(t, cmp.Diff(absent, malformed))
	})

	t.Run("DeletedIsGone", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.get = func(_, _ uuid.UUID) (generation.Generation, error) {
			return generation.Generation{}, generation.ErrDeleted
		}

		requireCode(t, b.do("GET", "/v1/generations/"+sampleID, ""), 410, "deleted")
	})
}

func TestCancelAndDelete(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.cancel = ofAlice(sample(generation.StatusCanceled, 4))
	b.remove = func(userID, _ uuid.UUID) error {
		if userID != alice {
			return generation.ErrNotFound
		}

		return nil
	}

	w := b.do("POST", "/v1/generations/"+sampleID+"/cancel", "")
	require.Equal(t, http.StatusOK, w.Code)
	contractOf(t).requireConforms(t, "200", "post", "/v1/generations/{id}/cancel", w)

	w = b.do("DELETE", "/v1/generations/"+sampleID, "")
	require.Equal(t, http.StatusNoContent, w.Code)
	require.Empty(t, w.Body.String())

	// Who did not hear of it asks again, and gets the same answer.
	b.remove = func(_, _ uuid.UUID) error { return generation.ErrDeleted }
	require.Equal(t, http.StatusNoContent, b.do("DELETE", "/v1/generations/"+sampleID, "").Code)

	b.remove = func(_, _ uuid.UUID) error { return generation.ErrNotFound }

	requireCode(t, b.do("POST", "/v1/generations/"+sampleID+"/cancel", "", "Authorization", "Bearer bob"), 404, "not_found")
	requireCode(t, b.do("DELETE", "/v1/generations/"+sampleID, "", "Authorization", "Bearer bob"), 404, "not_found")

	b.cancel = func(_, _ uuid.UUID) (generation.Generation, error) {
		return generation.Generation{}, generation.ErrNotCancelable
	}
	requireCode(t, b.do("POST", "/v1/generations/"+sampleID+"/cancel", ""), 409, "not_cancelable")
}

// What was asked to stop says so, and in the end what became of that.
func TestCanceling(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		status    generation.Status
		canceling bool
		notice    string
	}{
		"WhileItRuns":   {generation.StatusRunning, true, "The image service was asked to stop. If it finishes all the same, the pictures are kept and paid for; else nothing is charged."},
		"WhenItStopped": {generation.StatusCanceled, false, ""},
		"WhenItDidNot":  {generation.StatusSucceeded, false, "It was finished before it could be stopped. 10 credits were charged for the pictures that came."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			g := sample(c.status, 4)
			g.CancelRequested = true

			if c.status == generation.StatusSucceeded {
				g.Cost.Captured = 10
			}

			b.cancel, b.get = ofAlice(g), ofAlice(g)

			for _, w := range []*httptest.ResponseRecorder{
				b.do("POST", "/v1/generations/"+sampleID+"/cancel", ""), b.do("GET", "/v1/generations/"+sampleID, ""),
			} {
				require.Equal(t, http.StatusOK, w.Code)
				contractOf(t).requireConforms(t, "200", "get", "/v1/generations/{id}", w)

				got := decode[httpapi.Generation](t, w)
				require.Equal(t, c.canceling, got.Canceling)

				if c.notice == "" {
					require.Nil(t, got.Notice)
				} else {
					require.Equal(t, c.notice, *got.Notice)
				}
			}
		})
	}
}
