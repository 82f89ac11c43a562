package httpapi_test

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/httpapi"
	"imagerun/internal/upload"
)

const uploadID = "upl_0197f2a8c4d27b53a1f09e6d58c3b214"

// sampleUpload is an upload of alice's in a state.
func sampleUpload(status upload.Status) upload.Upload {
	created := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	u := upload.Upload{
		ID: uuid.MustParse("0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214"), Status: status, ContentType: "image/webp", Bytes: 1000,
		CreatedAt: created, ExpiresAt: created.Add(15 * time.Minute),
	}

	switch status {
	case upload.StatusInspecting:
		u.ExpiresAt = time.Time{}
	case upload.StatusReady:
		u.ContentType, u.Bytes, u.Width, u.Height = "image/jpeg", 900, 640, 480
	case upload.StatusRejected:
		u.Reason = upload.ReasonAnimated
	case upload.StatusPending, upload.StatusExpired:
	}

	return u
}

// uploadOfAlice answers as the service does: what is not hers is not there.
func uploadOfAlice(u upload.Upload) func(userID, id uuid.UUID) (upload.Upload, error) {
	return func(userID, id uuid.UUID) (upload.Upload, error) {
		if userID != alice || id != u.ID {
			return upload.Upload{}, upload.ErrNotFound
		}

		return u, nil
	}
}

func TestUploads_Create(t *testing.T) {
	t.Parallel()

	b := setup(t)
	sum := strings.Repeat("0a", 32)

	b.room = func(userID uuid.UUID, p upload.Promise) (upload.Upload, upload.Ticket, error) {
		require.Equal(t, alice, userID)
		require.Equal(t, "image/webp", p.ContentType)
		require.EqualValues(t, 1000, p.Bytes)
		require.Len(t, p.SHA256, 32)
		require.EqualValues(t, 0x0a, p.SHA256[31])

		u := sampleUpload(upload.StatusPending)

		return u, upload.Ticket{
			URL: "https://bucket.example/?sig", ExpiresAt: u.ExpiresAt, Limits: upload.Limits{MaxBytes: 20, MaxPixels: 30, MaxSide: 40},
		}, nil
	}

	w := b.do(http.MethodPost, "/v1/uploads", `{"content_type":"image/webp","bytes":1000,"sha256":"`+sum+`"}`)
	require.Equal(t, http.StatusCreated, w.Code, w.Body.String())
	require.Equal(t, "/v1/uploads/"+uploadID, w.Header().Get("Location"))
	contractOf(t).requireConforms(t, "201", "post", "/v1/uploads", w)

	got := decode[httpapi.NewUpload](t, w)
	require.Equal(t, uploadID, got.Upload.ID)
	require.Equal(t, httpapi.NewUpload{
		Upload: got.Upload, URL: "https://bucket.example/?sig", Method: "PUT", Headers: map[string]string{"Content-Type": "image/webp"},
		ExpiresAt: time.Date(2026, 11, 22, 15, 15, 0, 0, time.UTC), Limits: httpapi.UploadLimits{MaxBytes: 20, MaxPixels: 30, MaxSide: 40},
	}, got)
	require.NotContains(t, b.log.String(), "sig", "a link is a secret")
}

func TestUploads_CreateRefuses(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct{ body, pointer, keyword string }{
		"no type":           {`{"bytes":1}`, "#/content_type", "required"},
		"a type we lack":    {`{"content_type":"image/gif","bytes":1}`, "#/content_type", "enum"},
		"type with more":    {`{"content_type":"image/png; q=1","bytes":1}`, "#/content_type", "enum"},
		"no length":         {`{"content_type":"image/png"}`, "#/bytes", "required"},
		"zero bytes":        {`{"content_type":"image/png","bytes":0}`, "#/bytes", "minimum"},
		"less":              {`{"content_type":"image/png","bytes":-1}`, "#/bytes", "minimum"},
		"a part of a byte":  {`{"content_type":"image/png","bytes":1.5}`, "#/bytes", "type"},
		"oversized":         {`{"content_type":"image/png","bytes":33554433}`, "#/bytes", "maximum"},
		"a short sum":       {`{"content_type":"image/png","bytes":1,"sha256":"00"}`, "#/sha256", "pattern"},
		"a sum in capitals": {`{"content_type":"image/png","bytes":1,"sha256":"` + strings.Repeat("0A", 32) + `"}`, "#/sha256", "pattern"},
		"a key of its own":  {`{"content_type":"image/png","bytes":1,"key":"u/x/y.png"}`, "#/key", "additionalProperties"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			p := requireCode(t, b.do(http.MethodPost, "/v1/uploads", c.body), http.StatusUnprocessableEntity, "validation_failed")
			require.Len(t, p.Errors, 1)
			require.Equal(t, c.pointer, *p.Errors[0].Pointer)
			require.Equal(t, c.keyword, p.Errors[0].Keyword)
			require.Empty(t, b.calls())
		})
	}

	t.Run("a key that may only read", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		requireCode(t, b.do(http.MethodPost, "/v1/uploads", `{"content_type":"image/png","bytes":1}`, "Authorization", "Bearer reader"),
			http.StatusForbidden, "insufficient_scope")
		requireCode(t, b.do(http.MethodPost, "/v1/uploads/"+uploadID+"/complete", "", "Authorization", "Bearer reader"),
			http.StatusForbidden, "insufficient_scope")
	})
}

func TestUploads_GetAndDelete(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for _, status := range []upload.Status{
		upload.StatusPending, upload.StatusInspecting, upload.StatusReady, upload.StatusRejected, upload.StatusExpired,
	} {
		b.upload = uploadOfAlice(sampleUpload(status))

		w := b.do(http.MethodGet, "/v1/uploads/"+uploadID, "")
		require.Equal(t, http.StatusOK, w.Code)
		contractOf(t).requireConforms(t, "200", "get", "/v1/uploads/{id}", w)

		got := decode[httpapi.Upload](t, w)
		require.EqualValues(t, status, got.Status)
		require.Equal(t, status == upload.StatusReady, got.Width != nil)
		require.Equal(t, status == upload.StatusRejected, got.Rejection != nil)
		require.Equal(t, status == upload.StatusInspecting, got.ExpiresAt == nil)
	}

	requireCode(t, b.do(http.MethodGet, "/v1/uploads/"+uploadID, "", "Authorization", "Bearer bob"), http.StatusNotFound, "upload_not_found")

	b.discard = func(userID, _ uuid.UUID) error {
		if userID != alice {
			return upload.ErrNotFound
		}

		return nil
	}
	require.Equal(t, http.StatusNoContent, b.do(http.MethodDelete, "/v1/uploads/"+uploadID, "").Code)
	requireCode(t, b.do(http.MethodDelete, "/v1/uploads/"+uploadID, "", "Authorization", "Bearer bob"), http.StatusNotFound, "upload_not_found")

	// An id of another form, or of something else, is one that is not there.
	for _, id := range []string{"x", sampleID, strings.ToUpper(uploadID)} {
		requireCode(t, b.do(http.MethodGet, "/v1/uploads/"+id, ""), http.StatusNotFound, "upload_not_found")
	}
}

func TestUploads_Complete(t *testing.T) {
	t.Parallel()

	complete := func(b *bundle, headers ...string) (code int, applied string) {
		w := b.do(http.MethodPost, "/v1/uploads/"+uploadID+"/complete", "", headers...)
		if w.Code < 300 {
			contractOf(t).requireConforms(t, map[int]string{200: "200", 202: "202"}[w.Code], "post", "/v1/uploads/{id}/complete", w)
		}

		return w.Code, w.Header().Get("Preference-Applied")
	}

	t.Run("EndedAlready", func(t *testing.T) {
		t.Parallel()

		for _, status := range []upload.Status{upload.StatusReady, upload.StatusRejected} {
			b := setup(t)
			b.finish = uploadOfAlice(sampleUpload(status))

			code, applied := complete(b)
			require.Equal(t, http.StatusOK, code)
			require.Empty(t, applied)
		}
	})

	t.Run("WaitsForTheInspection", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.finish = uploadOfAlice(sampleUpload(upload.StatusInspecting))

		var looks atomic.Int64

		b.upload = func(userID, id uuid.UUID) (upload.Upload, error) {
			if looks.Add(1) == 1 {
				b.notified <- struct{}{}

				return uploadOfAlice(sampleUpload(upload.StatusInspecting))(userID, id)
			}

			return uploadOfAlice(sampleUpload(upload.StatusReady))(userID, id)
		}

		start := time.Now()
		code, applied := complete(b, "Prefer", "wait=30")
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, "wait=30", applied)
		require.EqualValues(t, 2, looks.Load())
		require.Less(t, time.Since(start), time.Second)
	})

	t.Run("NotForEver", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.finish = uploadOfAlice(sampleUpload(upload.StatusInspecting))
		b.upload = b.finish

		start := time.Now()
		code, applied := complete(b)
		require.Equal(t, http.StatusAccepted, code)
		require.Empty(t, applied)
		require.WithinRange(t, time.Now(), start.Add(1900*time.Millisecond), start.Add(10*time.Second))
	})

	t.Run("NotAtAll", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.finish = uploadOfAlice(sampleUpload(upload.StatusInspecting))

		code, applied := complete(b, "Prefer", "respond-async")
		require.Equal(t, http.StatusAccepted, code)
		require.Equal(t, "respond-async", applied)
	})

	t.Run("DeletedMeanwhile", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.finish = uploadOfAlice(sampleUpload(upload.StatusInspecting))
		b.upload = func(uuid.UUID, uuid.UUID) (upload.Upload, error) { return upload.Upload{}, upload.ErrNotFound }

		code, _ := complete(b)
		require.Equal(t, http.StatusNotFound, code)
	})

	t.Run("Refused", func(t *testing.T) {
		t.Parallel()

		for _, c := range []struct {
			err    error
			status int
			code   string
		}{
			{upload.ErrNotFound, http.StatusNotFound, "upload_not_found"},
			{upload.ErrExpired, http.StatusGone, "upload_expired"},
			{upload.ErrNotReceived, http.StatusConflict, "upload_not_received"},
			{upload.ErrMismatch, http.StatusConflict, "upload_mismatch"},
		} {
			b := setup(t)
			b.finish = func(uuid.UUID, uuid.UUID) (upload.Upload, error) { return upload.Upload{}, c.err }
			requireCode(t, b.do(http.MethodPost, "/v1/uploads/"+uploadID+"/complete", ""), c.status, c.code)
		}
	})
}

// Who has a photo of a kind that we do not read is told how to get one that we do.
func TestUploads_WayOutOfHEIC(t *testing.T) {
	t.Parallel()

	w := setup(t).do(http.MethodPost, "/v1/uploads", `{"content_type":"image/heic","bytes":1}`)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Contains(t, w.Body.String(), "Most Compatible")
}

// The contract's list of reasons is the domain's.
func TestUploads_Reasons(t *testing.T) {
	t.Parallel()

	documented := rows(t, "## Reasons of rejected uploads")
	require.Len(t, documented, len(upload.Reasons()))

	for _, r := range upload.Reasons() {
		require.Contains(t, documented, string(r))

		b := setup(t)
		u := sampleUpload(upload.StatusRejected)
		u.Reason = r
		b.upload = uploadOfAlice(u)

		w := b.do(http.MethodGet, "/v1/uploads/"+uploadID, "")
		contractOf(t).requireConforms(t, "200", "get", "/v1/uploads/{id}", w)
		require.Greater(t, len(decode[httpapi.Upload](t, w).Rejection.Message), 40, r)
	}
}

func TestUploads_List(t *testing.T) {
	t.Parallel()

	b := setup(t)
	first := sampleUpload(upload.StatusReady)
	b.uploads = func(userID uuid.UUID, after upload.Place, limit int) (upload.Page, error) {
		require.Equal(t, alice, userID)

		if after == (upload.Place{}) {
			require.Equal(t, 20, limit)

			return upload.Page{Uploads: []upload.Upload{first}, HasMore: true}, nil
		}

		require.True(t, after.CreatedAt.Equal(first.CreatedAt))
		require.Equal(t, first.ID, after.ID)
		require.Equal(t, 5, limit)

		return upload.Page{}, nil
	}

	w := b.do("GET", "/v1/uploads", "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/uploads", w)

	page := decode[httpapi.UploadList](t, w)
	require.Equal(t, uploadID, page.Data[0].ID)

	w = b.do("GET", "/v1/uploads?limit=5&starting_after="+*page.NextCursor, "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/uploads", w)
	require.Nil(t, decode[httpapi.UploadList](t, w).NextCursor)

	require.Equal(t, http.StatusUnprocessableEntity, b.do("GET", "/v1/uploads?starting_after="+sampleID, "").Code)
}
