package generation_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

// A picture that was stored is its user's, whatever keeps the attempt from being made that would have
// brought the other one.
func TestSubmitJob_KeepsWhatWasStoredBefore(t *testing.T) {
	t.Parallel()

	for name, lost := range map[string]string{
		"TheDeadlineHasPassedUnnoticed":  `update ai_task set deadline_at = created_at`,
		"TheModelHasLeftTheCatalogue":    `update ai_task set model = 'yesterdays'`,
		"TheSecondAttemptBringsTheOther": ``,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.poor(t, 12)
			g := b.start(t, two)

			// The first picture is stored, the second cannot be; and then the provider, asked again, has failed.
			puts := 0
			b.bucket.before = func(string) error {
				if puts++; puts > 2 {
					return errors.New("broken")
				}

				return nil
			}

			b.provider.finish(t, 0)
			b.pass(t, 30*time.Second)
			b.provider.failed["request-a"] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureProviderError), Status: 500}
			b.jobs.Advance(time.Minute)
			b.jobs.RunNext(t.Context())
			require.Equal(t, generation.StatusSubmitting, b.get(t, g.ID).Status)

			want, story := generation.StatusSucceeded, []string{aside, first, second}

			if lost != "" {
				want, story = generation.StatusPartial, []string{aside, first, half}
				_, err := b.pool.Exec(t.Context(), lost)
				require.NoError(t, err)
			}

			b.bucket.before = nil
			b.pass(t, time.Minute)

			if lost == "" {
				require.Len(t, b.provider.requests, 2)
				b.provider.finish(t, 1)
			}

			b.pass(t, time.Minute)

			g = b.get(t, g.ID)
			require.Equal(t, want, g.Status)
			require.Empty(t, g.FailureCode)
			require.Equal(t, story, b.story(t))
			b.check(t)
		})
	}
}

// One generation that cannot be ended keeps nobody else's credits.
func TestExpireDue_GoesOnAfterAFailure(t *testing.T) {
	t.Parallel()

	for name, late := range map[string]string{
		"OfTheDeadlines": `update ai_task set deadline_at = created_at`,
		"OfTheHolds":     `update credit_hold set auto_refund_at = created_at`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.poor(t, 20)
			broken, sound := b.submit(t, two), b.submit(t, two)

			_, err := b.pool.Exec(t.Context(), late)
			require.NoError(t, err)
			_, err = b.pool.Exec(t.Context(), `update ai_task set prices = '"unreadable"' where id = $1`, broken.ID)
			require.NoError(t, err)

			_, err = b.ExpireDue(t.Context())
			require.ErrorContains(t, err, broken.ID.String())
			require.Equal(t, generation.StatusExpired, b.get(t, sound.ID).Status)
			require.Zero(t, b.get(t, sound.ID).Cost.Held)

			// It is mended, and ends as well.
			_, err = b.pool.Exec(t.Context(), `update ai_task set prices = '{"flux-dev": 5}' where id = $1`, broken.ID)
			require.NoError(t, err)

			_, err = b.ExpireDue(t.Context())
			require.NoError(t, err)
			require.Equal(t, generation.StatusExpired, b.get(t, broken.ID).Status)
			require.Equal(t, []string{aside, aside, all, all}, b.story(t))
			b.check(t)
		})
	}
}
