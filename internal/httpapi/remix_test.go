package httpapi_test

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
	"imagerun/internal/publicid"
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
