package upload_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/storage"
	"imagerun/internal/upload"
)

// needs says of each upload's keys, in their order in the row, what the sweep is told.
func (b *bundle) needs(t *testing.T, id uuid.UUID) (raw, made storage.Need, known int) {
	t.Helper()

	objects := upload.NewObjects(b.pool, b.now.Now)

	page, err := objects.Page(t.Context(), "", 1000)
	require.NoError(t, err)

	var rawKey string

	err = b.pool.QueryRow(t.Context(), `select raw_key from upload where id = $1`, id).Scan(&rawKey)
	if err != nil {
		rawKey = "" // no row
	}

	var keys []string

	for _, r := range page {
		require.True(t, objects.Owns(r.Key), r.Key)

		if r.ID != id {
			continue
		}

		keys = append(keys, r.Key)

		if r.Key == rawKey {
			raw = r.Need
		} else {
			made = r.Need
		}
	}

	require.IsIncreasing(t, append([]string{""}, keys...))

	found, err := objects.Find(t.Context(), append(keys, "u/x/uploads/other"))
	require.NoError(t, err)
	require.Len(t, found, len(keys))

	for _, r := range found {
		require.Contains(t, page, r)
	}

	return raw, made, len(keys)
}

func TestObjects_FollowTheUpload(t *testing.T) {
	t.Parallel()

	b := setup(t)
	body := pngOf(32, 32)

	is := func(id uuid.UUID, raw, made storage.Need, known int) {
		t.Helper()

		r, m, n := b.needs(t, id)
		require.Equal(t, []any{raw, made, known}, []any{r, m, n})
	}

	// Promised, put, inspected.
	u := b.sent(t, "image/png", body)
	is(u.ID, storage.Possible, 0, 1)

	u = b.inspected(t, "image/png", body)
	require.Equal(t, upload.StatusReady, u.Status)
	is(u.ID, storage.Possible, storage.Required, 2) // it may be put again until the link ends

	// Refused: it has no picture.
	bad := b.inspected(t, "image/png", []byte("not a picture"))
	require.Equal(t, upload.StatusRejected, bad.Status)
	is(bad.ID, storage.Possible, 0, 1)

	// It cannot be put any more, and what was put is deleted for the last time.
	_, err := b.pool.Exec(t.Context(), `update upload set raw_deleted_at = $1`, b.now.Now())
	require.NoError(t, err)
	is(u.ID, storage.Unwanted, storage.Required, 2)
	is(bad.ID, storage.Unwanted, 0, 1)

	// On its way out, and gone.
	_, err = b.pool.Exec(t.Context(), `update upload set deleted_at = $1`, b.now.Now())
	require.NoError(t, err)
	is(u.ID, storage.Possible, storage.Possible, 2)

	_, err = b.pool.Exec(t.Context(), `delete from upload`)
	require.NoError(t, err)
	is(u.ID, 0, 0, 0)
}

func TestObjects_Owns(t *testing.T) {
	t.Parallel()

	objects := upload.NewObjects(nil, nil)

	for key, want := range map[string]bool{
		"u/4f0c/uploads/0197f2a8.raw": true, "u/4f0c/uploads/0197f2a8.jpg": true,
		"u/4f0c/0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214/x.png": false, "u/4f0c/uploads/a/b": false, "uploads/1.png": false,
	} {
		require.Equal(t, want, objects.Owns(key), key)
	}
}

// Nothing can start from a picture that the sweep found lost, until it is there again.
func TestObjects_LostIsNoReference(t *testing.T) {
	t.Parallel()

	b := setup(t)
	u := b.inspected(t, "image/png", pngOf(32, 32))
	ref, err := b.refer(t, b.user, u.ID)
	require.NoError(t, err)

	objects := upload.NewObjects(b.pool, b.now.Now)
	said := func() storage.Record {
		found, err := objects.Find(t.Context(), []string{ref.Key})
		require.NoError(t, err)

		page, err := objects.Page(t.Context(), "", 10)
		require.NoError(t, err)
		require.Contains(t, page, found[0])

		return found[0]
	}

	require.NoError(t, objects.Mark(t.Context(), []string{ref.Key, "u/x/uploads/other"}, true))
	require.Equal(t, storage.Record{Key: ref.Key, ID: u.ID, Need: storage.Required, Lost: true}, said())

	_, err = b.refer(t, b.user, u.ID)
	require.ErrorIs(t, err, upload.ErrLost)

	require.NoError(t, objects.Mark(t.Context(), []string{ref.Key}, false))
	require.False(t, said().Lost)

	_, err = b.refer(t, b.user, u.ID)
	require.NoError(t, err)
}
