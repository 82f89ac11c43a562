package generation_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/providers"
)

func TestReference(t *testing.T) {
	t.Parallel()

	upload := uuid.New()
	with := func(s *generation.Submission) {
		s.Reference = &catalogue.Reference{UploadID: upload, Strength: new(0.4)}
	}

	t.Run("ItsImageGoesByAShortLink", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.references[upload] = generation.Reference{Key: "u/x/uploads/1.png", Width: 900, Height: 1600}
		g := b.start(t, with)
		require.Equal(t, &upload, g.ReferenceID)
		require.Equal(t, "fal-ai/z-image/turbo/image-to-image", b.provider.requests[0].Endpoint)

		var in map[string]any
		require.NoError(t, json.Unmarshal(b.provider.requests[0].Input, &in))
		require.Equal(t, "https://bucket.example/u/x/uploads/1.png?for=11m0s", in["image_url"], "until the deadline and a little more")
		require.InDelta(t, 0.4, in["strength"], 0)
		require.Equal(t, map[string]any{"width": 768.0, "height": 1360.0}, in["image_size"], "the reference's shape")

		b.provider.finish(t, 0)
		b.pass(t, 30*time.Second)
		require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)
		b.check(t)
	})

	t.Run("OneThatMayNotBeUsedIsAWrongField", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.references[upload] = fault.New(fault.Conflict, "upload_not_ready", "Wait.")
		s := generation.Submission{UserID: b.user, Request: catalogue.Request{Model: "z-image-turbo", Prompt: prompt("x")}, IdempotencyKey: "k", Fingerprint: []byte("f")}
		with(&s)

		_, err := b.Submit(t.Context(), s)

		var f *fault.Error

		require.ErrorAs(t, err, &f)
		require.ErrorIs(t, err, catalogue.ErrInvalid)
		require.Equal(t, []fault.Field{{Pointer: "#/reference/upload_id", Keyword: "upload_not_ready", Detail: "Wait."}}, f.Fields)

		// The refusal has not burnt the key.
		b.references[upload] = generation.Reference{Key: "k", Width: 512, Height: 512}
		again, err := b.Submit(t.Context(), s)
		require.NoError(t, err)
		require.Nil(t, again.Replay)
		b.check(t)
	})

	t.Run("OneThatTheProviderCannotReadIsSaid", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.references[upload] = generation.Reference{Key: "k", Width: 512, Height: 512}
		refusal := &providers.Error{Class: providers.Rejected, Code: string(generation.FailureReference), Status: 422}
		b.provider.failed["request-a"], b.provider.failed["request-b"] = refusal, refusal

		g, plain := b.start(t, with), b.start(t)
		b.pass(t, 30*time.Second)
		require.Equal(t, generation.FailureReference, b.get(t, g.ID).FailureCode)
		require.Equal(t, generation.FailureInvalidRequest, b.get(t, plain.ID).FailureCode, "without a reference it is about a size")
		b.check(t)
	})
}

// Two people choose the same seed and words for pictures of their own, and neither submit is
// answered; only the second one happened.
func TestReference_NobodyGetsAPictureOfSomebodyElses(t *testing.T) {
	t.Parallel()

	for name, canceled := range map[string]bool{"BothWait": false, "TheOthersWasCanceled": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			twins(t, canceled)
		})
	}
}

func twins(t *testing.T, canceled bool) {
	t.Helper()

	b := setup(t)
	mine, theirs := uuid.New(), uuid.New()
	b.references[mine] = generation.Reference{Key: "u/a/uploads/1.png", Width: 512, Height: 512}
	b.references[theirs] = generation.Reference{Key: "u/b/uploads/2.png", Width: 512, Height: 512}

	lost := &providers.Error{Class: providers.Unknown, Code: "timeout"}
	from := func(id uuid.UUID) func(*generation.Submission) {
		return func(s *generation.Submission) {
			s.Seed, s.Reference = new(int64(42)), &catalogue.Reference{UploadID: id}
		}
	}

	b.provider.submit = func(providers.Request) error { return lost }
	a := b.start(t, from(mine))
	b.provider.submit, b.provider.reply = nil, func() error { return lost }
	other := b.start(t, from(theirs))
	b.provider.reply = nil
	b.provider.finish(t, 0)

	if canceled {
		_, err := b.Cancel(t.Context(), b.user, other.ID)
		require.NoError(t, err)
	}

	for range 4 {
		b.pass(t, 50*time.Second)
	}

	require.Equal(t, generation.StatusSubmitting, b.get(t, a.ID).Status, "it may be the other's")
	require.Len(t, b.provider.requests, 1)

	b.callback(t, 0, "request-a")
	b.jobs.RunAll(t.Context())

	if !canceled {
		require.Equal(t, generation.StatusSucceeded, b.get(t, other.ID).Status)
	}

	b.pass(t, 10*time.Second) // now it is known that nothing came of the first
	require.Len(t, b.provider.requests, 2)
	require.Equal(t, generation.StatusRunning, b.get(t, a.ID).Status)
	b.check(t)
}
