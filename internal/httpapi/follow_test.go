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
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/apikey"
	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
	"imagerun/internal/storage"
	"imagerun/internal/upload"
)

func TestRemix(t *testing.T) {
	t.Parallel()

	remixed := func(b *bundle, record *idempotency.Record) (*generation.Submission, *bool) {
		var (
			got  generation.Submission
			keep bool
		)

		b.remix = func(id uuid.UUID, s generation.Submission, sameSeed bool) (generation.Generation, *idempotency.Record, error) {
			require.Equal(t, sampleID, httpapi.FormatID("gen_", id))

			got, keep = s, sameSeed
			g := sample(generation.StatusQueued, 1)
			g.RemixOf = new(uuid.New())

			return g, record, nil
		}

		return &got, &keep
	}

	t.Run("SaysNothingOfWhatIsNotGiven", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		got, keep := remixed(b, nil)

		w := b.do("POST", "/v1/generations/"+sampleID+"/remix", `{}`)
		require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())
		contractOf(t).requireConforms(t, "202", "post", "/v1/generations/{id}/remix", w)
		require.Equal(t, generation.Submission{UserID: alice}, *got)
		require.False(t, *keep)
		require.NotNil(t, decode[httpapi.Generation](t, w).RemixOf)
	})

	t.Run("WithoutABody", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		got, _ := remixed(b, nil)

		w := b.do("POST", "/v1/generations/"+sampleID+"/remix", `{}`, "Idempotency-Key", "k1")
		require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())

		empty := *got

		w = b.do("POST", "/v1/generations/"+sampleID+"/remix", "", "Idempotency-Key", "k1")
		require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())
		require.Equal(t, empty, *got, "the same request")

		// What is there has to be JSON, and a submit is nothing without its body.
		requireCode(t, b.do("POST", "/v1/generations/"+sampleID+"/remix", "{", "Content-Type", "application/json"), 400, "malformed_json")
		requireCode(t, b.do("POST", "/v1/generations/"+sampleID+"/remix", "{}", "Content-Type", ""), 415, "unsupported_media_type")
		requireCode(t, b.do("POST", "/v1/generations", "", "Content-Type", "application/json"), 400, "malformed_json")
	})

	t.Run("PassesOnWhatIs", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		got, keep := remixed(b, nil)

		w := b.do("POST", "/v1/generations/"+sampleID+"/remix", `{"prompt":"p","quality":"high","keep_seed":true,"metadata":{}}`, "Idempotency-Key", "k1")
		require.Equal(t, http.StatusAccepted, w.Code, w.Body.String())
		require.Equal(t, "p", got.Prompt.Reveal())
		require.Equal(t, "high", *got.Quality)
		require.Equal(t, "{}", string(got.Metadata))
		require.Equal(t, "k1", got.IdempotencyKey)
		require.True(t, *keep)

		// Another original, or another choice of seed, is another request.
		seen := map[string]bool{string(got.Fingerprint): true}

		b.do("POST", "/v1/generations/"+sampleID+"/remix", `{"prompt":"p","quality":"high","metadata":{}}`, "Idempotency-Key", "k1")
		require.False(t, seen[string(got.Fingerprint)])
	})

	t.Run("Replayed", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		remixed(b, &idempotency.Record{Status: 202})

		w := b.do("POST", "/v1/generations/"+sampleID+"/remix", `{}`, "Idempotency-Key", "k1")
		require.Equal(t, http.StatusAccepted, w.Code)
		require.Equal(t, "true", w.Header().Get("Idempotent-Replayed"))
	})

	t.Run("OfWhatIsNotThere", func(t *testing.T) {
		t.Parallel()

		for code, err := range map[string]error{"not_found": generation.ErrNotFound, "deleted": generation.ErrDeleted} {
			b := setup(t)
			b.remix = func(uuid.UUID, generation.Submission, bool) (generation.Generation, *idempotency.Record, error) {
				return generation.Generation{}, nil, err
			}
			requireCode(t, b.do("POST", "/v1/generations/"+sampleID+"/remix", `{}`), map[string]int{"not_found": 404, "deleted": 410}[code], code)
		}
	})
}

func TestFavourite(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.favourite = func(userID, id uuid.UUID, favourite bool) (generation.Generation, error) {
		g, err := ofAlice(sample(generation.StatusSucceeded, 9))(userID, id)
		g.Favourite = favourite

		return g, err
	}

	on := b.do("PUT", "/v1/generations/"+sampleID+"/favourite", "")
	off := b.do("DELETE", "/v1/generations/"+sampleID+"/favourite", "")

	contractOf(t).requireConforms(t, "200", "put", "/v1/generations/{id}/favourite", on)
	contractOf(t).requireConforms(t, "200", "delete", "/v1/generations/{id}/favourite", off)
	require.True(t, decode[httpapi.Generation](t, on).Favourite)
	require.False(t, decode[httpapi.Generation](t, off).Favourite)
	require.NotEqual(t, on.Header().Get("ETag"), off.Header().Get("ETag"))

	requireCode(t, b.do("PUT", "/v1/generations/"+sampleID+"/favourite", "", "Authorization", "Bearer bob"), 404, "not_found")
	requireCode(t, b.do("PUT", "/v1/generations/"+sampleID+"/favourite", "", "Authorization", "Bearer reader"), 403, "insufficient_scope")
}

func TestList_FavouritesAndRemixes(t *testing.T) {
	t.Parallel()

	b := setup(t)
	id, _ := httpapi.ParseID("gen_", sampleID)

	for query, want := range map[string]generation.Filter{
		"favourite=true": {Limit: 20, Favourite: true}, "favourite=false": {Limit: 20},
		"metadata[project]=01&metadata%5Ba.b%5D=x%20y": {Limit: 20, Metadata: map[string]string{"project": "01", "a.b": "x y"}},
		"remix_of=" + sampleID:                         {Limit: 20, RemixOf: &id},
	} {
		b.list = func(_ uuid.UUID, f generation.Filter) (generation.Page, error) {
			require.Equal(t, want, f)

			return generation.Page{}, nil
		}
		require.Equal(t, 200, b.do("GET", "/v1/generations?"+query, "").Code)
	}
}

func TestDeleteMany(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.removeAll = func(userID uuid.UUID, ids []uuid.UUID) ([]generation.Deletion, error) {
		require.Equal(t, alice, userID)
		require.Len(t, ids, 3)

		return []generation.Deletion{generation.DeletionDone, generation.DeletionAlready, generation.DeletionNotFound}, nil
	}

	ids := []string{sampleID, "gen_" + strings.Repeat("1", 32), "gen_" + strings.Repeat("0", 32)}
	w := b.do("POST", "/v1/generations/delete", `{"ids":["`+strings.Join(ids, `","`)+`"]}`)
	contractOf(t).requireConforms(t, "200", "post", "/v1/generations/delete", w)

	for i, d := range decode[httpapi.DeletionList](t, w).Data {
		require.Equal(t, ids[i], d.ID)
		require.Equal(t, []string{"deleted", "already_deleted", "not_found"}[i], string(d.Result))
	}
}

func TestCancelMany(t *testing.T) {
	t.Parallel()

	b := setup(t)
	results := []generation.Cancellation{
		generation.CancellationDone, generation.CancellationRequested, generation.CancellationTooLate, generation.CancellationDeleted, generation.CancellationNotFound,
	}
	b.cancelAll = func(userID uuid.UUID, ids []uuid.UUID) ([]generation.Cancellation, error) {
		require.Equal(t, alice, userID)
		require.Len(t, ids, len(results))

		return results, nil
	}

	ids := make([]string, len(results))
	for i := range ids {
		ids[i] = "gen_" + strings.Repeat(string(rune('0'+i)), 32)
	}

	w := b.do("POST", "/v1/generations/cancel", `{"ids":["`+strings.Join(ids, `","`)+`"]}`)
	contractOf(t).requireConforms(t, "200", "post", "/v1/generations/cancel", w)

	for i, c := range decode[httpapi.CancellationList](t, w).Data {
		require.Equal(t, ids[i], c.ID)
		require.Equal(t, string(results[i]), string(c.Result))
	}

	b.cancelWaiting = func(uuid.UUID) (generation.CanceledWaiting, error) {
		return generation.CanceledWaiting{IDs: []uuid.UUID{uuid.New()}, HasMore: true}, nil
	}

	w = b.do("POST", "/v1/generations/cancel", `{"waiting":true}`)
	contractOf(t).requireConforms(t, "200", "post", "/v1/generations/cancel", w)

	list := decode[httpapi.CancellationList](t, w)
	require.True(t, list.HasMore)
	require.EqualValues(t, "canceled", list.Data[0].Result)

	for _, body := range []string{`{}`, `{"waiting":false}`, `{"ids":[]}`, `{"ids":["` + ids[0] + `"],"waiting":true}`} {
		require.Equal(t, http.StatusUnprocessableEntity, b.do("POST", "/v1/generations/cancel", body).Code, body)
	}
}

func TestMe(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.usage = func(userID uuid.UUID) (generation.Usage, error) {
		require.Equal(t, alice, userID)

		return generation.Usage{Slots: 2, Waiting: 7}, nil
	}

	w := b.do("GET", "/v1/me", "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/me", w)

	me := decode[httpapi.Me](t, w)
	require.Equal(t, httpapi.Usage{Slots: 2, Waiting: 7}, me.Usage)
	require.Positive(t, me.Plan.SubmissionsPerMinute)
}

// Estimates are in the resource where they are known, and in what makes its entity tag.
func TestEstimates(t *testing.T) {
	t.Parallel()

	render := func(edit func(*generation.Generation)) (httpapi.Generation, string) {
		g := sample(generation.StatusQueued, 1)
		edit(&g)

		b := setup(t)
		b.get = ofAlice(g)
		w := b.do("GET", "/v1/generations/"+sampleID, "")
		contractOf(t).requireConforms(t, "200", "get", "/v1/generations/{id}", w)

		return decode[httpapi.Generation](t, w), w.Header().Get("ETag")
	}

	start := time.Date(2026, 11, 22, 15, 4, 0, 0, time.UTC)
	unknown, first := render(func(*generation.Generation) {})
	require.Nil(t, unknown.Queue.EstimatedStartAt)
	require.Nil(t, unknown.EstimatedFinishAt)

	known, second := render(func(g *generation.Generation) {
		g.EstimatedStartAt, g.EstimatedFinishAt = &start, new(start.Add(time.Minute))
	})
	require.True(t, known.Queue.EstimatedStartAt.Equal(start))
	require.True(t, known.EstimatedFinishAt.Equal(start.Add(time.Minute)))
	require.NotEqual(t, first, second)

	ahead, _ := render(func(g *generation.Generation) {
		g.Status, g.QueuePosition, g.ProviderPosition = generation.StatusRunning, nil, new(4)
	})
	require.Equal(t, 4, ahead.Queue.Position, "the provider's own queue")
}

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

// Whoever stops taking gets a connection that breaks, and no zip that looks whole.
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
	require.Contains(t, b.log.String(), "not taken to its end")
	require.Equal(t, 1, opened, "what nobody takes is not read")

	w := b.do("HEAD", "/v1/generations/download?id="+sampleID, "")
	require.Equal(t, http.StatusOK, w.Code)
	require.Empty(t, w.Body.String())
}

type deaf struct{ header http.Header }

func (d *deaf) Header() http.Header       { return d.header }
func (d *deaf) WriteHeader(int)           {}
func (d *deaf) Write([]byte) (int, error) { return 0, fmt.Errorf("write: %w", io.ErrClosedPipe) }

func TestSupportCodes(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.keys = func(uuid.UUID) ([]apikey.Key, error) { return []apikey.Key{{ID: uuid.New()}, {ID: uuid.New()}}, nil }

	w := b.do("GET", "/v1/api_keys", "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/api_keys", w)

	for _, k := range decode[httpapi.APIKeyList](t, w).Data {
		require.Regexp(t, "^[0-9A-Z]{5}-[0-9A-Z]{5}$", k.SupportCode)
	}

	b.upload = uploadOfAlice(sampleUpload(upload.StatusReady))
	require.Equal(t, "06BZ5-A64T9", decode[httpapi.Upload](t, b.do("GET", "/v1/uploads/"+uploadID, "")).SupportCode)
}
