package httpapi_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
	"imagerun/internal/storage"
)

func album() generation.Album {
	first, second := sample(generation.StatusSucceeded, 9), sample(generation.StatusSucceeded, 9)
	second.ID = uuid.MustParse("0197f2a8-ffff-4b53-a1f0-9e6d58c3b214") // begins as the first does

	a := generation.Album{Generations: []generation.Generation{first, second}, LeftOut: []uuid.UUID{uuid.Max}}
	for _, g := range a.Generations {
		for _, img := range g.Images {
			img.Bytes = 7
			a.Pictures = append(a.Pictures, generation.Picture{Image: img, GenerationID: g.ID})
		}
	}

	a.Pictures[1].ContentType = "image/jpeg"

	return a
}

func TestDownload(t *testing.T) {
	t.Parallel()

	b := setup(t)
	a := album()
	b.album = func(userID uuid.UUID, ids []uuid.UUID) (generation.Album, error) {
		require.Equal(t, alice, userID)
		require.Len(t, ids, 2)

		return a, nil
	}
	b.open = func(p generation.Picture) (io.ReadCloser, error) {
		switch p.ID {
		case a.Pictures[1].ID:
			return nil, errors.New("no such object")
		case a.Pictures[2].ID:
			return io.NopCloser(io.MultiReader(strings.NewReader("pic"), iotest.ErrReader(io.ErrUnexpectedEOF))), nil
		default:
			return io.NopCloser(strings.NewReader("picture")), nil
		}
	}

	w := b.do("GET", "/v1/generations/download?id="+sampleID+"&id=gen_"+strings.Repeat("1", 32), "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, "application/zip", w.Header().Get("Content-Type"))
	require.Regexp(t, `^attachment; filename="imagerun-[0-9-]{17}\.zip"$`, w.Header().Get("Content-Disposition"))
	require.Equal(t, 2, strings.Count(b.log.String(), "could not be read for a download"))

	z, err := zip.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
	require.NoError(t, err)

	got := map[string]string{}

	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)

		got[f.Name] = string(text)
	}

	manifest := got["manifest.json"]
	delete(got, "manifest.json")
	requireSchema(t, "DownloadManifest", manifest)

	one, two := "2026-11-22_0197f2a8c4d27b53a1f09e6d58c3b214_", "2026-11-22_0197f2a8ffff4b53a1f09e6d58c3b214_"
	require.Equal(t, map[string]string{one + "1.png": "picture", two + "1.png": "pic", two + "2.png": "picture"}, got)

	m := decode[httpapi.DownloadManifest](t, &httptest.ResponseRecorder{Body: bytes.NewBufferString(manifest)})
	require.Equal(t, "a lighthouse", m.Generations[0].Prompt)
	require.Equal(t, []httpapi.DownloadedFile{{Name: one + "1.png", Index: 0, Whole: true}, {Name: one + "2.jpg", Index: 1, Missing: true}}, m.Generations[0].Files)
	require.Equal(t, []httpapi.DownloadedFile{{Name: two + "1.png", Index: 0}, {Name: two + "2.png", Index: 1, Whole: true}}, m.Generations[1].Files)
	require.Equal(t, []string{"gen_" + strings.Repeat("f", 32)}, m.LeftOut)
	require.NotContains(t, b.log.String(), "lighthouse")

	b.album = func(uuid.UUID, []uuid.UUID) (generation.Album, error) {
		return generation.Album{}, generation.ErrAlbumTooLarge
	}
	requireCode(t, b.do("GET", "/v1/generations/download?id="+sampleID, ""), 422, "download_too_large")
}

// A download begins with the first picture that the store gives. Those before it are missing, and the manifest says so.
func TestDownload_BeginsWithWhatThereIs(t *testing.T) {
	t.Parallel()

	b := setup(t)
	a := album()
	b.album = func(uuid.UUID, []uuid.UUID) (generation.Album, error) { return a, nil }

	opened := 0
	b.open = func(p generation.Picture) (io.ReadCloser, error) {
		opened++

		if p.ID != a.Pictures[2].ID {
			return nil, storage.ErrUnavailable
		}

		return io.NopCloser(strings.NewReader("picture")), nil
	}

	w := b.do("GET", "/v1/generations/download?id="+sampleID, "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, 4, opened, "each once")

	z, err := zip.NewReader(bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
	require.NoError(t, err)
	require.Len(t, z.File, 2)

	manifest, err := z.Open("manifest.json")
	require.NoError(t, err)

	text, err := io.ReadAll(manifest)
	require.NoError(t, err)
	requireSchema(t, "DownloadManifest", string(text))

	m := decode[httpapi.DownloadManifest](t, &httptest.ResponseRecorder{Body: bytes.NewBuffer(text)})

	var missing, whole []bool

	for _, g := range m.Generations {
		for _, f := range g.Files {
			missing, whole = append(missing, f.Missing), append(whole, f.Whole)
		}
	}

	require.Equal(t, []bool{true, true, false, true}, missing)
	require.Equal(t, []bool{false, false, true, false}, whole)
}

// Where the store gives nothing, nothing was promised.
func TestDownload_OfNothing(t *testing.T) {
	t.Parallel()

	for name, answer := range map[string]error{
		"DoesNotAnswer": storage.ErrUnavailable, "HasNone": storage.ErrNotFound, "IsNotOurs": errors.New("access denied"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.album = func(uuid.UUID, []uuid.UUID) (generation.Album, error) { return album(), nil }
			b.open = func(generation.Picture) (io.ReadCloser, error) { return nil, answer }

			w := b.do("GET", "/v1/generations/download?id="+sampleID, "")
			requireCode(t, w, http.StatusServiceUnavailable, "storage_unavailable")
			require.NotEmpty(t, w.Header().Get("Retry-After"))
			require.Empty(t, w.Header().Get("Content-Disposition"))
			require.Contains(t, b.log.String(), "request failed")
		})
	}
}

// A client that stops taking gets a connection that breaks, and no zip that looks whole.
func TestDownload_LeftInTheMiddle(t *testing.T) {
	t.Parallel()

	b := setup(t)
	a := album()
	b.album = func(uuid.UUID, []uuid.UUID) (generation.Album, error) { return a, nil }
	opened := 0
	b.open = func(generation.Picture) (io.ReadCloser, error) {
		opened++

		return io.NopCloser(strings.NewReader(strings.Repeat("picture", 1<<14))), nil // more than is gathered before a write
	}

	r := httptest.NewRequest(http.MethodGet, "/v1/generations/download?id="+sampleID, http.NoBody)
	r.Header.Set("Authorization", "Bearer alice")

	require.PanicsWithValue(t, http.ErrAbortHandler, func() { b.handler.ServeHTTP(&deaf{header: http.Header{}}, r) })
	require.Contains(t, b.log.String(), "download broke off")
	require.Equal(t, 1, opened, "what the client does not take is not read")

	w := b.do("HEAD", "/v1/generations/download?id="+sampleID, "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, w.Body.String())
}

type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header       { return d.header }
func (d *deaf) WriteHeader(int)           {}
func (d *deaf) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", io.ErrClosedPipe) }
