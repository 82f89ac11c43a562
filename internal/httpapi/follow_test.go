package httpapi_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/apikey"
	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
	"imagerun/internal/publicid"
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
			require.Equal(t, sampleID, publicid.Format("gen_", id))

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
	id, _ := publicid.Parse("gen_", sampleID)

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
