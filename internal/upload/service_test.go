package upload_test

import (
	"bytes"
	"image"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/upload"
)

func TestUpload_Life(t *testing.T) {
	t.Parallel()

	b := setup(t)
	body := jpegOf(64, 48)

	u, ticket := b.create(t, "image/jpeg", body)
	require.Equal(t, upload.StatusPending, u.Status)
	require.Equal(t, b.now.Now().Add(15*time.Minute), u.ExpiresAt)
	require.Equal(t, int64(20<<20), ticket.Limits.MaxBytes)

	require.Equal(t, 200, send(t, ticket.URL, "image/jpeg", body))

	u, err := b.Complete(t.Context(), b.user, u.ID)
	require.NoError(t, err)
	require.Equal(t, upload.StatusInspecting, u.Status)

	// Again, while it is inspected and afterwards.
	u, err = b.Complete(t.Context(), b.user, u.ID)
	require.NoError(t, err)
	require.Equal(t, upload.StatusInspecting, u.Status)
	require.Len(t, b.jobs.Pending(), 1)
	b.jobs.RunAll(t.Context())

	u, err = b.Complete(t.Context(), b.user, u.ID)
	require.NoError(t, err)
	require.Equal(t, upload.StatusReady, u.Status)
	require.Equal(t, []int{64, 48}, []int{u.Width, u.Height})
	require.Equal(t, b.now.Now().Add(24*time.Hour), u.ExpiresAt)
	require.Equal(t, u.ID, <-b.notified)
	require.Empty(t, b.jobs.Pending())

	objects := b.bucket.objects(t)
	require.Len(t, objects, 1, "what was put is gone")

	for key, body := range objects {
		require.Regexp(t, `^u/[0-9a-f]{32}/uploads/[0-9a-f-]{36}\.jpg$`, key)
		require.NotContains(t, key, u.ID.String())
		require.Len(t, body, int(u.Bytes))

		img, format, err := image.Decode(bytes.NewReader(body))
		require.NoError(t, err)
		require.Equal(t, "jpeg", format)
		require.Equal(t, image.Pt(64, 48), img.Bounds().Size())
	}

	b.check(t)
}
