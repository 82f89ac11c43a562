package generation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

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
		require.Equal(t, generation.StatusRunning, b.get(t, g.ID).Status, "nothing expires so soon")
		b.pass(t, 6*time.Minute)
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
		b.start(t)
		b.provider.finish(t, 0)

		killed := false
		b.bucket.before = func(string) error {
			if killed {
				return nil
			}

			b.bucket.mu.Unlock()
			defer b.bucket.mu.Lock()

			expire(t, b)
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

	for name, c := range map[string]struct {
		ends   func(t *testing.T, b *bundle, id uuid.UUID)
		status generation.Status
	}{
		"CanceledWhileItStores_IsKept": {func(t *testing.T, b *bundle, id uuid.UUID) {
			t.Helper()

			got, err := b.Cancel(t.Context(), b.user, id)
			require.NoError(t, err)
			require.True(t, got.Canceling())
		}, generation.StatusSucceeded},
		"ExpiredWhileItStores_LeavesNoObject": {func(t *testing.T, b *bundle, _ uuid.UUID) { t.Helper(); expire(t, b) }, generation.StatusExpired},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			g := b.start(t)
			b.provider.finish(t, 0)

			ended := false
			b.bucket.after = func(string) error {
				if !ended {
					ended = true

					c.ends(t, b, g.ID)
				}

				return nil
			}
			b.pass(t, 30*time.Second)

			require.Equal(t, c.status, b.get(t, g.ID).Status)
			b.check(t)
		})
	}
}
