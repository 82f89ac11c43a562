package generation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/internal/providers"
	"imagerun/queue/durable"
)

// Who ended a generation, or lost it, is said by a code of its own.
func TestFailure_SaysWhose(t *testing.T) {
	t.Parallel()

	t.Run("AnOperatorsCancel", func(t *testing.T) {
		t.Parallel()

		b := setupOn(t, devtest.Postgres(t)) // operators lock jobs in an order of their own
		b.fund(t, b.user, fortune)

		g := b.start(t, two)
		_, err := durable.NewAdmin(b.jobs.Queue()).Cancel(t.Context(), durable.Order{Filter: durable.Filter{Limit: 10}, Operator: "ada"})
		require.NoError(t, err)
		b.pass(t, time.Minute)

		g = b.get(t, g.ID)
		require.Equal(t, generation.StatusCanceled, g.Status)
		require.Equal(t, generation.FailureByOperator, g.FailureCode)
		require.EqualValues(t, 10, g.Cost.Released)
	})

	t.Run("AProviderThatForgot", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.start(t)
		b.provider.forgot = true
		b.pass(t, 7*time.Minute)

		require.Equal(t, generation.FailureProviderLost, b.get(t, g.ID).FailureCode)
		b.check(t)
	})
}

// What holds a generation up is said, since when, and when it is tried again, in an event too.
func TestDelay(t *testing.T) {
	t.Parallel()

	fails := func(class providers.Class) func(b *bundle) {
		return func(b *bundle) {
			b.provider.submit = func(providers.Request) error { return &providers.Error{Class: class} }
		}
	}

	for name, c := range map[string]struct {
		befalls func(b *bundle)
		status  generation.Status
		reason  generation.DelayReason
		next    time.Duration // at most; 0: nobody knows
	}{
		"NoAnswer":   {fails(providers.Unknown), generation.StatusSubmitting, generation.DelayConfirming, 90 * time.Second},
		"NoRoom":     {fails(providers.Busy), generation.StatusSubmitting, generation.DelayProviderBusy, 15 * time.Second},
		"OurAccount": {fails(providers.Account), generation.StatusSubmitting, generation.DelayProviderUnavailable, time.Second},
		"ItFails":    {fails(providers.Transient), generation.StatusSubmitting, generation.DelayRetrying, 0},
		"CannotBeAsked": {func(b *bundle) {
			b.provider.failed["request-a"] = &providers.Error{Class: providers.Transient}
		}, generation.StatusRunning, generation.DelayProviderUnreachable, 0},
		"ItStartsOver": {func(b *bundle) { b.provider.failed["request-a"] = errModel }, generation.StatusSubmitting, generation.DelayRetrying, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			c.befalls(b)

			g := b.start(t)
			if b.provider.submit == nil {
				b.now.Move(30 * time.Second)
				b.jobs.Advance(30 * time.Second)
				require.True(t, b.jobs.RunNext(t.Context()))
			}

			g = b.get(t, g.ID)
			require.Equal(t, c.status, g.Status)
			require.NotNil(t, g.Delay)
			require.Equal(t, c.reason, g.Delay.Reason)
			require.WithinDuration(t, b.now.Now(), g.Delay.Since, time.Second)
			require.Equal(t, c.next == 0, g.Delay.Next == nil)

			if c.next > 0 {
				require.False(t, g.Delay.Next.After(b.now.Now().Add(c.next)))
			}

			require.Equal(t, g.StatusSequence, last(t, b, g.ID).Sequence, "it is an event")

			since := g.Delay.Since
			b.provider.submit = nil
			clear(b.provider.failed)
			b.pass(t, 100*time.Second)
			b.pass(t, 30*time.Second)

			g = b.get(t, g.ID)
			require.Equal(t, generation.StatusRunning, g.Status)
			require.Nil(t, g.Delay, "since %s", since)
			b.check(t)
		})
	}
}

// Whose account the provider refuses is not its user's, who cannot mend it by trying again.
func TestDelay_OurAccountUntilTheDeadline(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.provider.submit = func(providers.Request) error { return &providers.Error{Class: providers.Account} }
	g := b.start(t)

	for range 5 {
		b.pass(t, time.Minute)
	}

	since := b.get(t, g.ID).Delay.Since
	b.now.Move(10 * time.Minute)
	_, err := b.ExpireDue(t.Context())
	require.NoError(t, err)

	g = b.get(t, g.ID)
	require.WithinDuration(t, g.CreatedAt, since, time.Second, "it has waited for it all the time")
	require.Equal(t, generation.StatusExpired, g.Status)
	require.Equal(t, generation.FailureUnavailable, g.FailureCode)
	_, again := generation.FailureText(g.FailureCode)
	require.False(t, again)
}

// Each image that is missing says why, and the whole says what came back.
func TestPartial_SaysWhy(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t, images(4))
	b.provider.finish(t, 0, func(r *providers.Result) {
		r.Images[1].Blocked = true
		b.provider.media[r.Images[2].URL] = []byte("nothing")
		r.Images = r.Images[:3]
	})

	for range 4 {
		b.pass(t, time.Minute)
	}

	g = b.get(t, g.ID)
	require.Equal(t, generation.StatusPartial, g.Status)
	require.Equal(t, "1 of 4 pictures came. 1 credit was charged for the pictures that came; the rest was returned.", g.Notice())

	var why []generation.FailureCode
	for _, img := range g.Images {
		why = append(why, img.FailureCode)
	}

	require.Equal(t, []generation.FailureCode{"", generation.FailureOutputBlocked, generation.FailureNoImage, generation.FailureNoImage}, why)
}
