package upload_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/upload"
)

// Pages hold their place, whatever becomes of what stood there.
func TestList(t *testing.T) {
	t.Parallel()

	b := setup(t)

	var ids []uuid.UUID

	for range 5 {
		u, _ := b.create(t, "image/jpeg", jpegOf(64, 48))
		ids = append([]uuid.UUID{u.ID}, ids...)
		b.now.Move(time.Second)
	}

	var (
		got   []uuid.UUID
		after upload.Place
	)

	for {
		page, err := b.List(t.Context(), b.user, after, 2)
		require.NoError(t, err)

		for _, u := range page.Uploads {
			got = append(got, u.ID)
			after = upload.Place{CreatedAt: u.CreatedAt, ID: u.ID}
		}

		require.NoError(t, b.Delete(t.Context(), b.user, after.ID))

		if !page.HasMore {
			break
		}
	}

	require.Equal(t, ids, got)

	page, err := b.List(t.Context(), b.user, upload.Place{}, 20)
	require.NoError(t, err)
	require.Len(t, page.Uploads, 2, "what was deleted is not listed")

	page, err = b.List(t.Context(), uuid.New(), upload.Place{}, 20)
	require.NoError(t, err)
	require.Empty(t, page.Uploads)
}
