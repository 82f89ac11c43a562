package catalogue_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation/catalogue"
	"imagerun/internal/redact"
)

func TestInherit(t *testing.T) {
	t.Parallel()

	c := load(t)
	earlier := func(edits ...func(*catalogue.Request)) catalogue.Request {
		r := request("qwen-image", edits...)
		r.NegativePrompt, r.Quality, r.NumImages, r.OutputFormat = new(redact.NewPersonal("fog")), new("standard"), new(2), new("png")
		r.AspectRatio = new("16:9")

		return r
	}

	t.Run("WhatIsGivenGoesFirst", func(t *testing.T) {
		t.Parallel()

		got := c.Inherit(catalogue.Request{NumImages: new(1), Seed: new(int64(3))}, earlier(func(r *catalogue.Request) { r.Seed = new(int64(7)) }))
		require.Equal(t, []any{"qwen-image", 1, "16:9", int64(3)}, []any{got.Model, *got.NumImages, *got.AspectRatio, *got.Seed})
		require.Nil(t, c.Inherit(catalogue.Request{}, earlier(func(r *catalogue.Request) { r.Seed = new(int64(7)) })).Seed)
	})

	t.Run("AShapeIsTakenWhole", func(t *testing.T) {
		t.Parallel()

		got := c.Inherit(catalogue.Request{Width: new(512), Height: new(512)}, earlier())
		require.Nil(t, got.AspectRatio)

		_, _, err := c.Resolve(got)
		require.NoError(t, err)
	})

	t.Run("AnotherModelHasItsOwnWays", func(t *testing.T) {
		t.Parallel()

		for _, id := range c.IDs() {
			got := c.Inherit(catalogue.Request{Model: id}, earlier(func(r *catalogue.Request) { r.FallbackModels = []string{"z-image-turbo"} }))
			require.Equal(t, "a red fox", got.Prompt.Reveal())

			_, _, err := c.Resolve(got)
			require.NoError(t, err, id)
		}
	})

	t.Run("ButNotWithoutTheReference", func(t *testing.T) {
		t.Parallel()

		was := request("flux-dev", reference(512, 512, nil), func(r *catalogue.Request) { r.Reference.UploadID = uuid.Max; r.Width, r.Height = new(512), new(512) })

		got := c.Inherit(catalogue.Request{}, was)
		require.Equal(t, uuid.Max, got.Reference.UploadID)
		require.Nil(t, got.Width, "flux-dev keeps the reference's")

		_, _, err := c.Resolve(got)
		require.NoError(t, err)

		_, _, err = c.Resolve(c.Inherit(catalogue.Request{Model: "flux-schnell"}, was))
		require.ErrorIs(t, err, catalogue.ErrInvalid)
	})

	t.Run("WhatIsGivenIsNeverDropped", func(t *testing.T) {
		t.Parallel()

		_, _, err := c.Resolve(c.Inherit(catalogue.Request{Quality: new("ultra")}, earlier()))
		require.ErrorIs(t, err, catalogue.ErrInvalid)
	})
}

// What stands in is judged only once the rest is good, and nobody is refused for what they did
// not say themselves.
func TestInherit_LeavesOutAModelThatCannotStandInAnyMore(t *testing.T) {
	t.Parallel()

	c := load(t)
	for i := range c.Models {
		if c.Models[i].ID == "qwen-image" {
			c.Models[i].MaxImages = 1
		}
	}

	earlier := request("z-image-turbo", reference(800, 600, nil), func(r *catalogue.Request) {
		r.AspectRatio, r.FallbackModels = new("16:9"), []string{"qwen-image"}
	})
	_, _, err := c.Resolve(earlier)
	require.NoError(t, err)

	// flux-dev keeps the reference's size, so the ratio goes; and qwen-image makes no two.
	_, p, err := c.Resolve(c.Inherit(catalogue.Request{Model: "flux-dev", NumImages: new(2)}, earlier))
	require.NoError(t, err)
	require.Empty(t, p.FallbackModels)
}
