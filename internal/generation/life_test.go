package generation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
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

			for range 4 { // a file that is not there is asked for three times
				b.pass(t, 30*time.Second)
			}

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

		for range 4 {
			b.pass(t, 30*time.Second)
		}

		require.Equal(t, generation.FailureNoImage, b.get(t, g.ID).FailureCode)
		b.check(t)
	})
}
