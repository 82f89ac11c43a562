package generation_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/generation/history"
	"imagerun/internal/storage"
)

// A lost image is shown as that, without a link; a lost thumbnail leaves the image alone.
func TestObjects_LostIsSaid(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t)
	b.provider.finish(t, 0)
	b.pass(t, b.deps.Options.CollectFirst)
	require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)

	objects := history.NewObjects(b.pool, b.now.Now)
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

	ended := b.get(t, g.ID)
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

	// Each of it was an event, and its status stayed; what is marked already is none.
	require.NoError(t, objects.Mark(t.Context(), []string{image.Key}, false))

	now := b.get(t, g.ID)
	require.Equal(t, ended.StatusSequence+3, now.StatusSequence)
	require.Equal(t, ended.FinishedAt, now.FinishedAt)

	events, err := b.Events(t.Context(), b.user, g.ID, ended.StatusSequence)
	require.NoError(t, err)
	require.Len(t, events, 3)

	for i, e := range events {
		require.Equal(t, ended.StatusSequence+int64(i)+1, e.Sequence)
		require.Equal(t, generation.StatusSucceeded, e.Status)
		require.Equal(t, 0, *e.ImageIndex)
	}

	b.settled(t)
}

// Nobody hears of the images of what is deleted.
func TestObjects_LostOfADeletedGeneration(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := b.start(t)
	b.provider.finish(t, 0)
	b.pass(t, b.deps.Options.CollectFirst)

	objects := history.NewObjects(b.pool, b.now.Now)
	page, err := objects.Page(t.Context(), "", 10)
	require.NoError(t, err)
	require.NoError(t, b.Delete(t.Context(), b.user, g.ID))

	events := func() (n int) {
		require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from generation_event`).Scan(&n))

		return n
	}
	before := events()

	require.NoError(t, objects.Mark(t.Context(), []string{page[0].Key}, true))
	require.Equal(t, before, events())
}

func TestObjects_Owns(t *testing.T) {
	t.Parallel()

	objects := history.NewObjects(nil, nil)

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
