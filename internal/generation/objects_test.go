package generation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/storage"
)

// A lost image is shown as that, without a link; a lost thumbnail leaves the image alone.
func TestObjects_LostIsSaid(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t)
	b.provider.finish(t, 0)
	b.pass(t, b.Options.CollectFirst)
	require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)

	objects := generation.NewObjects(b.pool, b.now.Now)
	page, err := objects.Page(t.Context(), "", 10)
	require.NoError(t, err)
	require.Len(t, page, 2)
	require.Less(t, page[0].Key, page[1].Key)

	image, thumbnail := page[0], page[1] // …png before ….thumb.jpg
	for _, r := range page {
		require.True(t, objects.Owns(r.Key), r.Key)
		require.Equal(t, storage.Required, r.Need)
		require.False(t, r.Lost)
	}

	require.NoError(t, objects.Mark(t.Context(), []string{thumbnail.Key}, true))
	img := b.get(t, g.ID).Images[0]
	require.Equal(t, generation.ImageStored, img.Status)
	require.NotEmpty(t, img.URL)
	require.Empty(t, img.ThumbnailURL)

	require.NoError(t, objects.Mark(t.Context(), []string{image.Key}, true))
	img = b.get(t, g.ID).Images[0]
	require.Equal(t, generation.ImageLost, img.Status)
	require.Empty(t, img.URL)

	found, err := objects.Find(t.Context(), []string{image.Key, "u/x/other"})
	require.NoError(t, err)
	require.Equal(t, []storage.Record{{Key: image.Key, ID: image.ID, Need: storage.Required, Lost: true}}, found)

	require.NoError(t, objects.Mark(t.Context(), []string{image.Key, thumbnail.Key}, false))
	img = b.get(t, g.ID).Images[0]
	require.Equal(t, generation.ImageStored, img.Status)
	require.NotEmpty(t, img.ThumbnailURL)
}

func TestObjects_Owns(t *testing.T) {
	t.Parallel()

	objects := generation.NewObjects(nil, nil)

	for key, want := range map[string]bool{
		"u/4f0c/0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214/x.png":         true,
		"u/4f0c/0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214/x.thumb.jpg":   true,
		"u/4f0c/uploads/0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214.png":   false,
		"u/4f0c/0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214/x/y.png":       false,
		"u/4f0c/0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214":               false,
		"x/u/4f0c/0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214/x.thumb.jpg": false,
		"backup.tar": false,
	} {
		require.Equal(t, want, objects.Owns(key), key)
	}
}
