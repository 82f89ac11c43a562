package generation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/idempotency"
	"imagerun/internal/redact"
)

func TestSubmit(t *testing.T) {
	t.Parallel()

	t.Run("WritesTaskImagesAndEventAndCallsNobody", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		g := b.submit(t, func(s *generation.Submission) {
			s.NumImages, s.AspectRatio, s.Seed = new(3), new("16:9"), new(int64(7))
			s.Metadata = json.RawMessage(`{"order":"a1"}`)
		})

		require.Equal(t, generation.StatusQueued, g.Status)
		require.EqualValues(t, 1, g.StatusSequence)
		require.Len(t, g.Images, 3)
		require.EqualValues(t, 7, g.Parameters.Seed)
		require.Equal(t, "16:9", g.Parameters.AspectRatio)
		require.LessOrEqual(t, g.Parameters.Width*g.Parameters.Height, 1<<20)
		require.JSONEq(t, `{"order":"a1"}`, string(g.Metadata))
		require.Equal(t, 0, *g.QueuePosition)
		require.Empty(t, b.provider.requests)
		require.Empty(t, b.jobs.Pending())
		b.check(t)
	})

	t.Run("ReplaysAKeyAndRefusesAnotherBody", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		s := generation.Submission{
			UserID: b.user, Request: catalogue.Request{Model: "flux-dev", Prompt: redact.NewPersonal("x")}, IdempotencyKey: "k1", Fingerprint: []byte("f1"),
		}

		first, err := b.Submit(t.Context(), s)
		require.NoError(t, err)
		require.Nil(t, first.Replay)

		again, err := b.Submit(t.Context(), s)
		require.NoError(t, err)
		require.Equal(t, first.ID, again.ID)
		require.Equal(t, 202, again.Replay.Status)
		require.Equal(t, first.Balance, again.Balance)

		s.Fingerprint = []byte("f2")
		_, err = b.Submit(t.Context(), s)
		require.ErrorIs(t, err, idempotency.ErrMismatch)

		var n int
		require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from ai_task`).Scan(&n))
		require.Equal(t, 1, n)
	})

	t.Run("RefusesWhenTheQueueIsFull", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		for range 100 {
			b.submit(t)
		}

		_, err := b.Submit(t.Context(), generation.Submission{UserID: b.user, Request: catalogue.Request{Model: "flux-dev", Prompt: redact.NewPersonal("x")}})
		require.ErrorIs(t, err, generation.ErrQueueFull)
	})
}

func TestSubmit_Refuses(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for name, c := range map[string]struct {
		edit    func(*generation.Submission)
		pointer string
	}{
		"UnknownModel":        {func(s *generation.Submission) { s.Model = "secret-model" }, "#/model"},
		"EmptyPrompt":         {func(s *generation.Submission) { s.Prompt = redact.NewPersonal(" \n") }, "#/prompt"},
		"LongPrompt":          {func(s *generation.Submission) { s.Prompt = redact.NewPersonal(strings.Repeat("é", 2001)) }, "#/prompt"},
		"NegativeUnsupported": {func(s *generation.Submission) { s.NegativePrompt = new(redact.NewPersonal("blur")) }, "#/negative_prompt"},
		"FiveImages":          {func(s *generation.Submission) { s.NumImages = new(5) }, "#/num_images"},
		"NoImages":            {func(s *generation.Submission) { s.NumImages = new(0) }, "#/num_images"},
		"Ratio":               {func(s *generation.Submission) { s.AspectRatio = new("5:1") }, "#/aspect_ratio"},
		"RatioAndSize":        {func(s *generation.Submission) { s.AspectRatio, s.Width, s.Height = new("1:1"), new(512), new(512) }, "#/aspect_ratio"},
		"WidthAlone":          {func(s *generation.Submission) { s.Width = new(512) }, "#/height"},
		"SizeOffTheGrid":      {func(s *generation.Submission) { s.Width, s.Height = new(513), new(512) }, "#/width"},
		"SizeTooLarge":        {func(s *generation.Submission) { s.Width, s.Height = new(4096), new(4096) }, "#/width"},
		"Quality":             {func(s *generation.Submission) { s.Quality = new("ultra") }, "#/quality"},
		"Format":              {func(s *generation.Submission) { s.Model = "flux-dev"; s.OutputFormat = new("webp") }, "#/output_format"},
		"NegativeSeed":        {func(s *generation.Submission) { s.Seed = new(int64(-1)) }, "#/seed"},
		"LargeSeed":           {func(s *generation.Submission) { s.Seed = new(int64(1) << 53) }, "#/seed"},
		"ShortDeadline":       {func(s *generation.Submission) { s.DeadlineSeconds = new(29) }, "#/deadline_seconds"},
		"NestedMetadata":      {func(s *generation.Submission) { s.Metadata = json.RawMessage(`{"a":{"b":1}}`) }, "#/metadata"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := generation.Submission{UserID: b.user, Request: catalogue.Request{Model: "z-image-turbo", Prompt: redact.NewPersonal("a red fox")}}
			c.edit(&s)

			_, err := b.Submit(t.Context(), s)

			f := fault.Of(err)
			require.Equal(t, fault.Invalid, f.Kind)
			require.Equal(t, c.pointer, f.Fields[0].Pointer)
			require.NotContains(t, fmt.Sprint(f.Fields), "secret")
		})
	}

	t.Cleanup(func() {
		var n int
		require.NoError(t, b.pool.QueryRow(context.WithoutCancel(t.Context()), `select count(*) from ai_task`).Scan(&n))
		require.Zero(t, n)
	})
}

func TestRead(t *testing.T) {
	t.Parallel()

	t.Run("SomebodyElses", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		g := b.submit(t)
		other := uuid.New()

		_, err := b.Get(t.Context(), other, g.ID)
		require.ErrorIs(t, err, generation.ErrNotFound)
		_, err = b.Cancel(t.Context(), other, g.ID)
		require.ErrorIs(t, err, generation.ErrNotFound)
		require.ErrorIs(t, b.Delete(t.Context(), other, g.ID), generation.ErrNotFound)
		_, err = b.Events(t.Context(), other, g.ID, 0)
		require.ErrorIs(t, err, generation.ErrNotFound)
		_, err = b.List(t.Context(), other, generation.Filter{StartingAfter: &generation.Place{ID: g.ID}})
		require.ErrorIs(t, err, generation.ErrNotFound)
		require.Equal(t, generation.StatusQueued, b.get(t, g.ID).Status)
	})

	t.Run("PagesBothWaysWithoutGapOrRepeat", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		var want []uuid.UUID
		for range 7 {
			want = append([]uuid.UUID{b.submit(t).ID}, want...)
			b.now.Move(time.Second)
		}

		var got []uuid.UUID

		f := generation.Filter{Limit: 3}
		for {
			page, err := b.List(t.Context(), b.user, f)
			require.NoError(t, err)

			for _, g := range page.Generations {
				got = append(got, g.ID)
			}

			if !page.HasMore {
				break
			}

			last := page.Generations[len(page.Generations)-1]
			f.StartingAfter = &generation.Place{CreatedAt: last.CreatedAt, ID: last.ID}
		}

		require.Equal(t, want, got)

		page, err := b.List(t.Context(), b.user, generation.Filter{Limit: 2, EndingBefore: &generation.Place{ID: want[4]}})
		require.NoError(t, err)
		require.True(t, page.HasMore)
		require.Equal(t, want[2], page.Generations[0].ID)
		require.Equal(t, want[3], page.Generations[1].ID)

		page, err = b.List(t.Context(), b.user, generation.Filter{Statuses: []generation.Status{generation.StatusFailed}})
		require.NoError(t, err)
		require.Empty(t, page.Generations)

		page, err = b.List(t.Context(), b.user, generation.Filter{RemixOf: new(uuid.Nil)})
		require.NoError(t, err)
		require.Empty(t, page.Generations, "an id that nobody has")

		_, err = b.List(t.Context(), b.user, generation.Filter{StartingAfter: &generation.Place{}})
		require.ErrorIs(t, err, generation.ErrNotFound, "likewise")

		// A place is there although its generation is not.
		place := &generation.Place{CreatedAt: b.get(t, want[3]).CreatedAt, ID: want[3]}
		_, err = b.pool.Exec(t.Context(), `update ai_task set deleted_at = now() where id = $1`, want[3])
		require.NoError(t, err)

		page, err = b.List(t.Context(), b.user, generation.Filter{Limit: 1, StartingAfter: place})
		require.NoError(t, err)
		require.Equal(t, want[4], page.Generations[0].ID)
	})
}

func TestAdmit(t *testing.T) {
	t.Parallel()

	t.Run("NeverBeyondTheSlotsOfUserAndProvider", func(t *testing.T) {
		t.Parallel()

		b := setup(t) // four slots at the provider, two for each free user
		other := uuid.New()

		for range 5 {
			b.submit(t)
		}

		for range 5 {
			b.submit(t, func(s *generation.Submission) { s.UserID = other })
		}

		n, err := b.Admit(t.Context(), "fal")
		require.NoError(t, err)
		require.Equal(t, 4, n)

		n, err = b.Admit(t.Context(), "fal")
		require.NoError(t, err)
		require.Zero(t, n)

		var mine int
		require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from ai_task where user_id = $1 and admitted_at is not null`, b.user).Scan(&mine))
		require.Equal(t, 2, mine)
	})

	t.Run("EveryoneGetsATurnBeforeAnyoneASecond", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.Slots = 3 })
		for range 50 {
			b.submit(t)
		}

		users := []uuid.UUID{uuid.New(), uuid.New()}
		for _, u := range users {
			b.submit(t, func(s *generation.Submission) { s.UserID = u })
		}

		_, err := b.Admit(t.Context(), "fal")
		require.NoError(t, err)

		var admitted int
		require.NoError(t, b.pool.QueryRow(t.Context(), `select count(distinct user_id) from ai_task where admitted_at is not null`).Scan(&admitted))
		require.Equal(t, 3, admitted)
	})

	t.Run("ASlotIsFreeAgainWhenItsGenerationEnds", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *generation.Options) { o.Slots = 1 })
		first, second := b.submit(t), b.submit(t)

		_, err := b.Admit(t.Context(), "fal")
		require.NoError(t, err)
		require.Nil(t, b.get(t, second.ID).AdmittedAt)

		_, err = b.Cancel(t.Context(), b.user, first.ID)
		require.NoError(t, err)

		n, err := b.Admit(t.Context(), "fal")
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.NotNil(t, b.get(t, second.ID).AdmittedAt)
	})
}

func TestFailureText_EveryCodeHasASentence(t *testing.T) {
	t.Parallel()

	general, _ := generation.FailureText("newer")

	for _, code := range []generation.FailureCode{
		generation.FailurePromptRejected, generation.FailureInvalidRequest, generation.FailureOutputBlocked,
		generation.FailureProviderError, generation.FailureTimeout, generation.FailureNoImage,
		generation.FailureResultExpired, generation.FailureDeadline, generation.FailureCanceledByUser,
		generation.FailureProviderLost, generation.FailureUnavailable, generation.FailureByOperator,
	} {
		text, _ := generation.FailureText(code)
		require.NotEqual(t, general, text, code)
	}
}
