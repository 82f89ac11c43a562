package generation_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func images(n int) func(*generation.Submission) {
	return func(s *generation.Submission) { s.NumImages = new(n) }
}

func TestLife(t *testing.T) {
	t.Parallel()

	t.Run("SubmitsOnceAndStoresEveryImage", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		g := b.start(t, images(2))
		require.Equal(t, generation.StatusRunning, g.Status)
		require.Len(t, b.provider.requests, 1)
		require.True(t, strings.HasPrefix(b.provider.requests[0].CallbackURL, "https://api.example/webhooks/fal/"))

		b.provider.finish(t, 0)
		b.pass(t, 30*time.Second)

		g = b.get(t, g.ID)
		require.Equal(t, generation.StatusSucceeded, g.Status)
		require.Len(t, g.Images, 2)
		require.Equal(t, generation.ImageStored, g.Images[1].Status)
		require.Equal(t, 64, g.Images[0].Width)
		require.Equal(t, "image/png", g.Images[0].ContentType)
		require.True(t, b.provider.erased["request-a"], "the provider's copy is deleted")
		require.Empty(t, b.jobs.Pending())
		b.check(t)

		events, err := b.Events(t.Context(), b.user, g.ID, 0)
		require.NoError(t, err)

		var statuses []string
		for _, e := range events {
			statuses = append(statuses, string(e.Status))
		}

		require.Equal(t, "queued submitting running storing storing storing succeeded", strings.Join(statuses, " "))
	})

	t.Run("PollsWhileItRuns", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.CallbackURL = "" })
		g := b.start(t)
		require.Empty(t, b.provider.requests[0].CallbackURL)

		for range 3 {
			b.pass(t, time.Second)
			require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
		}

		b.provider.finish(t, 0)
		b.pass(t, time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		b.check(t)
	})

	for name, c := range map[string]struct {
		edit   func(*providers.Result)
		status generation.Status
		code   generation.FailureCode
	}{
		"FewerImagesArePartial":     {func(r *providers.Result) { r.Images = r.Images[:1] }, generation.StatusPartial, ""},
		"OneBlockedIsPartial":       {func(r *providers.Result) { r.Images[0].Blocked = true }, generation.StatusPartial, ""},
		"AllBlockedAreBlocked":      {func(r *providers.Result) { r.Images[0].Blocked, r.Images[1].Blocked = true, true }, generation.StatusBlocked, generation.FailureOutputBlocked},
		"NoImagesFail":              {func(r *providers.Result) { r.Images = nil }, generation.StatusFailed, generation.FailureNoImage},
		"MissingAndBlockedBlock":    {func(r *providers.Result) { r.Images = r.Images[:1]; r.Images[0].Blocked = true }, generation.StatusBlocked, generation.FailureOutputBlocked},
		"OneMissingMediaIsPartial":  {func(r *providers.Result) { r.Images[1].URL = "gone" }, generation.StatusPartial, ""},
		"AllMissingMediaFail":       {func(r *providers.Result) { r.Images[0].URL, r.Images[1].URL = "gone", "gone" }, generation.StatusFailed, generation.FailureNoImage},
		"MoreImagesThanAskedForFit": {func(r *providers.Result) { r.Images = append(r.Images, r.Images[0]) }, generation.StatusSucceeded, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			g := b.start(t, images(2))
			b.provider.finish(t, 0, c.edit)
			b.pass(t, 30*time.Second)

			g = b.get(t, g.ID)
			require.Equal(t, c.status, g.Status)
			require.Equal(t, c.code, g.FailureCode)
			require.Empty(t, b.jobs.Pending())
			b.check(t)
		})
	}

	t.Run("WhatIsNotAPictureIsNotStored", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.finish(t, 0)
		b.provider.media["request-a/0"] = []byte("<html>sorry</html>")
		b.pass(t, 30*time.Second)

		require.Equal(t, generation.FailureNoImage, b.get(t, g.ID).FailureCode)
		b.check(t)
	})
}

func TestSubmitJob(t *testing.T) {
	t.Parallel()

	t.Run("FailedAndDidNotHappen", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		failures := 2
		b.provider.submit = func(providers.Request) error {
			if failures--; failures >= 0 {
				return &providers.Error{Class: providers.Transient, Code: "unavailable", Status: 429}
			}

			return nil
		}

		g := b.start(t)
		b.pass(t, 10*time.Second)
		b.pass(t, 10*time.Second)
		require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
		require.Len(t, b.provider.requests, 1)
		b.check(t)
	})

	t.Run("FailedButDidHappen_TheCallbackTells", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown, Code: "timeout"} }

		g := b.start(t)
		require.Equal(t, generation.StatusSubmitting, g.Status)

		b.provider.finish(t, 0)
		b.callback(t, 0, "request-a")
		b.jobs.RunAll(t.Context())

		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		b.pass(t, 2*time.Minute)
		require.Len(t, b.provider.requests, 1)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("FailedButDidHappen_TheSearchTells", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		other := b.start(t) // a request that is somebody's already
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown, Code: "timeout"} }
		g := b.start(t)

		b.provider.finish(t, 1)
		b.pass(t, 89*time.Second)
		require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)
		b.pass(t, 2*time.Second)
		b.pass(t, 31*time.Second)

		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		require.Equal(t, generation.StatusRunning, b.get(t, other.ID).Status)
		require.Len(t, b.provider.requests, 2)
		b.check(t)
	})

	t.Run("UnknownAndDidNotHappen_IsSubmittedAgainOnce", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		unknown := true
		b.provider.submit = func(providers.Request) error {
			if unknown {
				return &providers.Error{Class: providers.Unknown, Code: "timeout"}
			}

			return nil
		}

		g := b.start(t)
		unknown = false

		b.pass(t, 91*time.Second)
		require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
		require.Len(t, b.provider.requests, 1)
		b.check(t)
	})

	t.Run("UnknownWhileItRuns_WaitsForItsResult", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown, Code: "timeout"} }

		g := b.start(t)
		b.pass(t, 91*time.Second)
		b.pass(t, 10*time.Second)
		require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)
		require.Len(t, b.provider.requests, 1)

		b.provider.finish(t, 0)
		b.pass(t, 6*time.Second)
		b.pass(t, 31*time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		b.check(t)
	})

	t.Run("ACrashBeforeTheReplyWasWritten_IsNotASecondSubmit", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.submit(t)
		_, err := b.Admit(t.Context(), "fal")
		require.NoError(t, err)

		// The call happens; then nothing of ours is written any more.
		b.provider.reply = func() error { panic("the process dies here") }

		require.True(t, b.jobs.RunNext(t.Context()))
		require.Len(t, b.provider.requests, 1)

		b.provider.finish(t, 0)
		b.pass(t, 91*time.Second)
		b.pass(t, 91*time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		require.Len(t, b.provider.requests, 1)
		b.check(t)
	})

	t.Run("OurAccountIsNobodysFailure", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.Deadline = time.Hour })
		locked := true
		b.provider.submit = func(providers.Request) error {
			if locked {
				return &providers.Error{Class: providers.Account, Code: "account", Status: 403}
			}

			return nil
		}

		g := b.start(t)
		for range 20 {
			b.pass(t, 31*time.Second)
		}

		require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)

		locked = false
		b.pass(t, time.Minute)
		require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status)
		b.check(t)
	})

	t.Run("ARefusalIsFinal", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.submit = func(providers.Request) error {
			return &providers.Error{Class: providers.Rejected, Code: string(generation.FailureInvalidRequest), Status: 422}
		}

		g := b.start(t)
		require.Equal(t, generation.StatusFailed, g.Status)
		require.Equal(t, generation.FailureInvalidRequest, g.FailureCode)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("AJobThatDiesSettlesItsGeneration", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.Deadline = time.Hour })
		b.provider.submit = func(providers.Request) error { return errors.New("always") }

		g := b.start(t)
		for range 12 {
			b.pass(t, 2*time.Minute)
		}

		g = b.get(t, g.ID)
		require.Equal(t, generation.StatusFailed, g.Status)
		require.Equal(t, generation.FailureProviderError, g.FailureCode)
		b.check(t)
	})
}

func TestCollectJob(t *testing.T) {
	t.Parallel()

	t.Run("AModelsErrorGetsAnotherAttempt", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.failed["request-a"] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureProviderError), Status: 500}
		b.pass(t, 30*time.Second)
		require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)

		b.pass(t, 10*time.Second)
		require.Len(t, b.provider.requests, 2)
		b.provider.finish(t, 1)
		b.pass(t, 30*time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		b.check(t)
	})

	t.Run("ThreeErrorsAreTheEnd", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)

		for _, id := range []string{"request-a", "request-b", "request-c"} {
			b.provider.failed[id] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureProviderError), Status: 500}
		}

		for range 6 {
			b.pass(t, 40*time.Second)
		}

		require.Equal(t, generation.FailureProviderError, b.get(t, g.ID).FailureCode)
		require.Len(t, b.provider.requests, 3)
		b.check(t)
	})

	t.Run("ARefusedPromptIsBlocked", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.failed["request-a"] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailurePromptRejected), Status: 422}
		b.pass(t, 30*time.Second)
		require.Equal(t, generation.StatusBlocked, b.get(t, g.ID).Status)
		b.check(t)
	})

	t.Run("AnExpiredResultIsTakenFromTheCallback", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.finish(t, 0)
		result := b.provider.done["request-a"]
		b.provider.failed["request-a"] = &providers.Error{Class: providers.Gone, Status: 404}
		b.callbackWith(t, 0, "request-a", result)
		b.jobs.RunAll(t.Context())
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		b.check(t)
	})

	t.Run("AnExpiredResultWithoutCallbackFails", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.failed["request-a"] = &providers.Error{Class: providers.Gone, Status: 404}
		b.pass(t, 30*time.Second)
		require.Equal(t, generation.FailureResultExpired, b.get(t, g.ID).FailureCode)
		b.check(t)
	})

	for name, break_ := range map[string]func(b *bundle, fail func() error){
		"DownloadFailsOnce": func(b *bundle, fail func() error) {
			b.provider.download = func(url string) ([]byte, error) {
				if fail() != nil {
					return nil, &providers.Error{Class: providers.Transient, Code: "unavailable"}
				}

				return b.provider.media[url], nil
			}
		},
		"PutFailsAndDidNotHappen": func(b *bundle, fail func() error) { b.bucket.before = func(string) error { return fail() } },
		"PutFailsButDidHappen":    func(b *bundle, fail func() error) { b.bucket.after = func(string) error { return fail() } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			g := b.start(t, images(2))
			b.provider.finish(t, 0)

			n := 0

			break_(b, func() error {
				if n++; n == 2 {
					return errors.New("broken")
				}

				return nil
			})
			b.pass(t, 30*time.Second)
			require.Equal(t, generation.StatusStoring, b.get(t, g.ID).Status)
			b.pass(t, 10*time.Second)
			require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
			require.Len(t, b.provider.requests, 1)
			b.check(t)
		})
	}

	t.Run("KilledWithAnObjectPutAfterTheCancelJobWasDone_LeavesNoObject", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.finish(t, 0)

		killed := false
		b.bucket.before = func(string) error {
			if killed {
				return nil
			}

			b.bucket.mu.Unlock()
			defer b.bucket.mu.Lock()

			_, err := b.Cancel(t.Context(), b.user, g.ID)
			require.NoError(t, err)
			b.jobs.RunAll(t.Context())

			return nil
		}
		b.bucket.after = func(string) error {
			if !killed {
				killed = true

				panic("the process dies here")
			}

			return nil
		}

		b.pass(t, 30*time.Second)
		require.NotEmpty(t, b.bucket.keys(), "it was put, and nothing knows it")
		b.pass(t, 10*time.Second)
		b.check(t)
	})

	t.Run("CanceledWhileItStores_LeavesNoObject", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.finish(t, 0)

		canceled := false
		b.bucket.after = func(string) error {
			if !canceled {
				canceled = true
				_, err := b.Cancel(t.Context(), b.user, g.ID)

				return err
			}

			return nil
		}
		b.pass(t, 30*time.Second)

		require.Equal(t, generation.StatusCanceled, b.get(t, g.ID).Status)
		b.check(t)
	})
}

func TestCallback(t *testing.T) {
	t.Parallel()

	t.Run("WakesTheCollectorAndRepeatsHarmlessly", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.finish(t, 0)

		for range 3 {
			b.callback(t, 0, "request-a")
		}

		b.jobs.RunAll(t.Context())
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)

		b.callback(t, 0, "request-a")
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("ForAnotherRequestOrNoAttempt", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.start(t)

		require.ErrorIs(t, b.ReceiveCallback(t.Context(), b.token(0), providers.Callback{RequestID: "request-z"}), generation.ErrCallbackUnknown)

		for _, token := range []string{"", "x", strings.Repeat("0", 64), b.token(0)[:63] + "0", b.token(0) + "0"} {
			if token == b.token(0) {
				continue // one time in sixteen
			}

			require.ErrorIs(t, b.ReceiveCallback(t.Context(), token, providers.Callback{RequestID: "request-a"}), generation.ErrCallbackUnknown)
		}
	})

	t.Run("AfterCancel_HasTheLateResultErased", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.cancel = func() (providers.CancelOutcome, error) { return providers.CancelRequested, nil }

		g := b.start(t)
		_, err := b.Cancel(t.Context(), b.user, g.ID)
		require.NoError(t, err)
		b.jobs.RunAll(t.Context())

		b.provider.finish(t, 0)
		b.provider.cancel = func() (providers.CancelOutcome, error) { return providers.CancelTooLate, nil }
		b.callback(t, 0, "request-a")
		b.jobs.RunAll(t.Context())

		require.Equal(t, generation.StatusCanceled, b.get(t, g.ID).Status)
		require.True(t, b.provider.erased["request-a"])
		b.check(t)
	})
}

func TestEnd(t *testing.T) {
	t.Parallel()

	t.Run("CancelWhileWaiting", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.submit(t)

		got, err := b.Cancel(t.Context(), b.user, g.ID)
		require.NoError(t, err)
		require.Equal(t, generation.StatusCanceled, got.Status)

		again, err := b.Cancel(t.Context(), b.user, g.ID)
		require.NoError(t, err)
		require.Equal(t, got.StatusSequence, again.StatusSequence)

		_, err = b.Admit(t.Context(), "fal")
		require.NoError(t, err)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("CancelAfterTheEnd", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.finish(t, 0)
		b.pass(t, 30*time.Second)

		_, err := b.Cancel(t.Context(), b.user, g.ID)
		require.ErrorIs(t, err, generation.ErrNotCancelable)
	})

	t.Run("CancelOfAnUnknownSubmit_FindsAndErasesIt", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown, Code: "timeout"} }
		g := b.start(t)

		_, err := b.Cancel(t.Context(), b.user, g.ID)
		require.NoError(t, err)
		b.provider.finish(t, 0)
		b.pass(t, 91*time.Second)
		b.jobs.RunAll(t.Context())

		require.True(t, b.provider.canceled["request-a"])
		require.True(t, b.provider.erased["request-a"])
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("PastTheDeadlineItExpires", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		running, waiting := b.start(t), b.submit(t)
		b.now.add(11 * time.Minute)

		n, err := b.ExpireDue(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		b.jobs.RunAll(t.Context())

		require.Equal(t, generation.StatusExpired, b.get(t, running.ID).Status)
		require.Equal(t, generation.StatusExpired, b.get(t, waiting.ID).Status)
		require.True(t, b.provider.canceled["request-a"])
		b.pass(t, time.Hour)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("DeleteErasesEverywhereAndAnswersGone", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t, images(2))
		b.provider.finish(t, 0)
		b.pass(t, 30*time.Second)
		require.Len(t, b.bucket.keys(), 4)

		require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
		_, err := b.Get(t.Context(), b.user, g.ID)
		require.ErrorIs(t, err, generation.ErrDeleted)

		b.jobs.RunAll(t.Context())
		require.Empty(t, b.bucket.keys())

		var rows int
		require.NoError(t, b.pool.QueryRow(t.Context(), `select (select count(*) from ai_task) + (select count(*) from ai_image)
			+ (select count(*) from provider_attempt) + (select count(*) from generation_event)`).Scan(&rows))
		require.Zero(t, rows)

		_, err = b.Get(t.Context(), b.user, g.ID)
		require.ErrorIs(t, err, generation.ErrDeleted)
		require.ErrorIs(t, b.Delete(t.Context(), b.user, g.ID), generation.ErrDeleted)
	})

	t.Run("DeleteWhileItRuns", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)

		require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
		b.jobs.RunAll(t.Context())
		b.pass(t, 5*time.Second)
		b.pass(t, 30*time.Second) // the collector finds nothing left

		require.True(t, b.provider.canceled["request-a"])
		require.True(t, b.provider.erased["request-a"])
		require.Empty(t, b.jobs.Pending())

		var rows int
		require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from ai_task`).Scan(&rows))
		require.Zero(t, rows)
	})

	t.Run("EraseFailsAndIsTriedAgain", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		fails := 1
		b.provider.erase = func() error {
			if fails--; fails >= 0 {
				return &providers.Error{Class: providers.Transient, Code: "unavailable"}
			}

			return nil
		}

		b.start(t)
		b.provider.finish(t, 0)
		b.pass(t, 30*time.Second)
		require.Len(t, queuetest.All[queue.EraseAttempt](b.jobs), 1)
		b.pass(t, 10*time.Second)
		require.True(t, b.provider.erased["request-a"])
		require.Empty(t, b.jobs.Pending())
	})
}
