package generation_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

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

	t.Run("AfterCancel_HasWhatWasFinishedStored", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.answer(providers.CancelRequested)

		g := b.start(t)
		_, err := b.Cancel(t.Context(), b.user, g.ID)
		require.NoError(t, err)
		b.jobs.RunAll(t.Context())

		b.provider.finish(t, 0)
		b.callback(t, 0, "request-a")
		b.jobs.RunAll(t.Context())

		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		require.True(t, b.provider.erased["request-a"])
		b.check(t)
	})

	t.Run("AfterTheDeadline_HasTheLateResultErased", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.provider.answer(providers.CancelRequested)

		g := b.start(t)
		expire(t, b)
		b.jobs.RunAll(t.Context())

		b.provider.finish(t, 0)
		b.provider.answer(providers.CancelTooLate)
		b.callback(t, 0, "request-a")
		b.jobs.RunAll(t.Context())

		require.Equal(t, generation.StatusExpired, b.get(t, g.ID).Status)
		require.True(t, b.provider.erased["request-a"])
		b.check(t)
	})
}
