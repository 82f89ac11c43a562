package upload_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/picture/picturetest"
	"imagerun/internal/upload"
)

// TestUpload_HostileFiles takes every file that is meant to hurt through the whole of it.
func TestUpload_HostileFiles(t *testing.T) { //nolint:tparallel // its rows share a table of jobs
	t.Parallel()

	b := setup(t)

	for _, f := range picturetest.Hostile() { //nolint:paralleltest // see above
		t.Run(f.Name, func(t *testing.T) {
			u := b.inspected(t, f.Type, f.Body)

			if f.Reason != "" {
				require.Equal(t, upload.StatusRejected, u.Status)
				require.EqualValues(t, f.Reason, u.Reason)
				require.Zero(t, u.Width)

				_, err := b.refer(t, b.user, u.ID)
				require.ErrorIs(t, err, upload.ErrRejected)

				return
			}

			require.Equal(t, upload.StatusReady, u.Status, u.Reason)
			require.NotZero(t, u.Width)
			require.NoError(t, b.Delete(t.Context(), b.user, u.ID))
		})
	}

	b.harmless(t)
	b.jobs.RunAll(t.Context())
	b.check(t)
}

// harmless demands that nothing that was put is in the bucket, and no script.
func (b *bundle) harmless(t *testing.T) {
	t.Helper()

	for key, body := range b.bucket.objects(t) {
		require.NotContains(t, string(body), "<script>", key)
		require.False(t, strings.HasSuffix(key, ".raw"), key)
	}
}

// TestUpload_NoMetadataStaysAnywhere looks for what photos say of their photographers in every
// object of the bucket.
func TestUpload_NoMetadataStaysAnywhere(t *testing.T) {
	t.Parallel()

	b := setup(t)
	exif := picturetest.EXIF(6, binary.BigEndian)
	files := map[string][]byte{
		"image/jpeg": picturetest.JPEGWithMetadata(picturetest.Gradient(64, 48), exif),
		"image/png":  picturetest.PNGWithMetadata(picturetest.Gradient(64, 48), exif),
		"image/webp": picturetest.WebPWithMetadata(picturetest.Gradient(64, 48), exif),
	}

	holds := func(objects map[string][]byte) (found []string) {
		for key, body := range objects {
			for _, needle := range picturetest.Needles() {
				if bytes.Contains(body, []byte(needle)) {
					found = append(found, key+" "+needle)
				}
			}
		}

		return found
	}

	var all []upload.Upload
	for contentType, body := range files {
		all = append(all, b.sent(t, contentType, body))
	}

	require.Greater(t, len(holds(b.bucket.objects(t))), 12, "the search finds what was put")

	for _, u := range all {
		_, err := b.Complete(t.Context(), b.user, u.ID)
		require.NoError(t, err)
	}

	b.jobs.RunAll(t.Context())

	for _, u := range all {
		u = b.get(t, u.ID)
		require.Equal(t, upload.StatusReady, u.Status, u.Reason)
		require.Equal(t, []int{48, 64}, []int{u.Width, u.Height}, "upright")
	}

	objects := b.bucket.objects(t)
	require.Len(t, objects, 3)
	require.Empty(t, holds(objects))
}

func TestUpload_BadInput(t *testing.T) {
	t.Parallel()

	body := pngOf(32, 32)

	t.Run("Oversized", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		_, _, err := b.Create(t.Context(), b.user, upload.Promise{ContentType: "image/png", Bytes: 20<<20 + 1})
		require.ErrorIs(t, err, upload.ErrInvalid)
		require.Zero(t, b.count(t, `select count(*) from upload`))

		// More than was promised does not get into the bucket.
		u, ticket := b.create(t, "image/png", body)
		require.Equal(t, http.StatusForbidden, send(t, ticket.URL, "image/png", append(bytes.Clone(body), 0)))
		require.Equal(t, http.StatusForbidden, send(t, ticket.URL, "text/html", body))

		_, err = b.Complete(t.Context(), b.user, u.ID)
		require.ErrorIs(t, err, upload.ErrNotReceived)
		require.Empty(t, b.bucket.objects(t))
	})

	t.Run("Foreign", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u := b.inspected(t, "image/png", body)
		other := uuid.New()

		_, err := b.Get(t.Context(), other, u.ID)
		require.ErrorIs(t, err, upload.ErrNotFound)
		_, err = b.Complete(t.Context(), other, u.ID)
		require.ErrorIs(t, err, upload.ErrNotFound)
		_, err = b.refer(t, other, u.ID)
		require.ErrorIs(t, err, upload.ErrNotFound)
		require.ErrorIs(t, b.Delete(t.Context(), other, u.ID), upload.ErrNotFound)
		require.Equal(t, upload.StatusReady, b.get(t, u.ID).Status)
	})

	t.Run("Unfinished", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u, _ := b.create(t, "image/png", body)

		_, err := b.Complete(t.Context(), b.user, u.ID)
		require.ErrorIs(t, err, upload.ErrNotReceived)
		_, err = b.refer(t, b.user, u.ID)
		require.ErrorIs(t, err, upload.ErrNotReady)
		require.Empty(t, b.jobs.Pending())

		u = b.sent(t, "image/png", body)
		_, err = b.Complete(t.Context(), b.user, u.ID)
		require.NoError(t, err)
		_, err = b.refer(t, b.user, u.ID)
		require.ErrorIs(t, err, upload.ErrNotReady, "while it is inspected")
	})

	t.Run("Expired", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u := b.sent(t, "image/png", body)
		b.pass(t, 15*time.Minute)

		require.Equal(t, upload.StatusExpired, b.get(t, u.ID).Status)
		_, err := b.Complete(t.Context(), b.user, u.ID)
		require.ErrorIs(t, err, upload.ErrExpired)
		_, err = b.refer(t, b.user, u.ID)
		require.ErrorIs(t, err, upload.ErrExpired)
	})

	t.Run("Mistyped", func(t *testing.T) {
		t.Parallel()

		// A store that does not keep to its signatures: what is there is compared again.
		b := setup(t)
		u, _ := b.create(t, "image/png", body)

		var key string

		require.NoError(t, b.pool.QueryRow(t.Context(), `select raw_key from upload where id = $1`, u.ID).Scan(&key))
		require.NoError(t, b.bucket.Put(t.Context(), key, "text/html", body[1:]))

		_, err := b.Complete(t.Context(), b.user, u.ID)
		require.ErrorIs(t, err, upload.ErrMismatch)
		require.ErrorContains(t, err, "upload_mismatch")

		require.NoError(t, b.bucket.Put(t.Context(), key, "image/png", body))
		_, err = b.Complete(t.Context(), b.user, u.ID)
		require.NoError(t, err, "the right one may follow")
	})

	t.Run("AnotherSum", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		for want, sum := range map[upload.Status][32]byte{upload.StatusReady: sha256.Sum256(body), upload.StatusRejected: sha256.Sum256(body[1:])} {
			u, ticket, err := b.Create(t.Context(), b.user, upload.Promise{ContentType: "image/png", Bytes: int64(len(body)), SHA256: sum[:]})
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, send(t, ticket.URL, "image/png", body))

			_, err = b.Complete(t.Context(), b.user, u.ID)
			require.NoError(t, err)
			b.jobs.RunAll(t.Context())

			u = b.get(t, u.ID)
			require.Equal(t, want, u.Status)

			if want == upload.StatusRejected {
				require.Equal(t, upload.ReasonChecksum, u.Reason)
			}
		}
	})

	t.Run("GoneBeforeItIsInspected", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u := b.sent(t, "image/png", body)

		_, err := b.Complete(t.Context(), b.user, u.ID)
		require.NoError(t, err)

		for key := range b.bucket.objects(t) {
			require.NoError(t, b.bucket.Delete(t.Context(), key))
		}

		b.jobs.RunAll(t.Context())
		require.Equal(t, upload.ReasonMissing, b.get(t, u.ID).Reason)
	})

	t.Run("TooMany", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *upload.Options) { o.MaxOpen = 3 })
		pending, _ := b.create(t, "image/png", body)
		ready := b.inspected(t, "image/png", body)
		used := b.inspected(t, "image/png", body)

		_, _, err := b.Create(t.Context(), b.user, upload.Promise{ContentType: "image/png", Bytes: 9})
		require.ErrorIs(t, err, upload.ErrTooMany)

		// Used, deleted, rejected and expired ones do not count; another's never do.
		b.made(t, b.generation(t, used.ID))
		b.create(t, "image/png", body)

		_, _, err = b.Create(t.Context(), b.user, upload.Promise{ContentType: "image/png", Bytes: 9})
		require.ErrorIs(t, err, upload.ErrTooMany)

		_, _, err = b.Create(t.Context(), uuid.New(), upload.Promise{ContentType: "image/png", Bytes: 9})
		require.NoError(t, err)

		require.NoError(t, b.Delete(t.Context(), b.user, pending.ID))
		require.Equal(t, upload.StatusRejected, b.inspected(t, "image/png", []byte("no picture")).Status)
		require.NoError(t, b.Delete(t.Context(), b.user, ready.ID))
		b.pass(t, 15*time.Minute)

		for range 3 {
			b.create(t, "image/png", body)
		}
	})

	// What costs nothing makes no room: to submit, to cancel what waits or runs, to have it fail.
	t.Run("NoUse", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *upload.Options) { o.MaxOpen = 4 })
		full := func() bool {
			_, _, err := b.Create(t.Context(), b.user, upload.Promise{ContentType: "image/png", Bytes: 9})
			if err != nil {
				require.ErrorIs(t, err, upload.ErrTooMany)
			}

			return err != nil
		}

		var tasks []uuid.UUID
		for range 4 {
			tasks = append(tasks, b.generation(t, b.inspected(t, "image/png", body).ID))
		}

		require.True(t, full(), "submitted")
		b.end(t, tasks[0], "canceled")
		b.attempt(t, tasks[1], "abandoned", "")
		b.end(t, tasks[1], "canceled")
		b.attempt(t, tasks[2], "done", "provider_error")
		b.end(t, tasks[2], "failed")
		require.True(t, full(), "canceled and failed")

		b.attempt(t, tasks[3], "submitted", "")
		require.False(t, full(), "one runs")
	})

	t.Run("Quota", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		u := b.inspected(t, "image/png", body)
		b.made(t, b.generation(t, u.ID)) // used or not, it takes its place
		_, err := b.pool.Exec(t.Context(), `update upload set bytes = (1 << 30) - 10 where id = $1`, u.ID)
		require.NoError(t, err)

		b.create(t, "image/png", make([]byte, 9))

		_, _, err = b.Create(t.Context(), b.user, upload.Promise{ContentType: "image/png", Bytes: 2})
		require.ErrorIs(t, err, upload.ErrQuota)

		var f *fault.Error

		require.ErrorAs(t, err, &f)
		require.Equal(t, []fault.Field{{Pointer: "#/bytes", Keyword: "plan", Detail: "Your plan has room for 1 bytes more."}}, f.Fields)
		b.create(t, "image/png", make([]byte, 1))

		_, err = b.pool.Exec(t.Context(), `update generation_user set plan = 'pro' where user_id = $1`, b.user)
		require.NoError(t, err)
		b.create(t, "image/png", make([]byte, 2))
	})

	// What is deleted takes its place as long as it may be put again by its link.
	t.Run("QuotaOfTheDeleted", func(t *testing.T) {
		t.Parallel()

		b := setup(t, func(o *upload.Options) { o.MaxBytes = 1 << 30 })
		promise := upload.Promise{ContentType: "image/png", Bytes: 1 << 30}

		u, _, err := b.Create(t.Context(), b.user, promise)
		require.NoError(t, err)
		require.NoError(t, b.Delete(t.Context(), b.user, u.ID))
		b.jobs.RunAll(t.Context())

		_, _, err = b.Create(t.Context(), b.user, promise)
		require.ErrorIs(t, err, upload.ErrQuota)

		b.pass(t, 75*time.Minute)

		_, _, err = b.Create(t.Context(), b.user, promise)
		require.NoError(t, err)
	})
}
