package httpapi_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/httpapi"
	"imagerun/internal/publicid"
)

func TestList(t *testing.T) {
	t.Parallel()

	t.Run("Filters", func(t *testing.T) {
		t.Parallel()

		b := setup(t)

		var got generation.Filter

		b.list = func(userID uuid.UUID, f generation.Filter) (generation.Page, error) {
			require.Equal(t, alice, userID)

			got = f

			return generation.Page{Generations: []generation.Generation{sample(generation.StatusSucceeded, 9)}, HasMore: true}, nil
		}

		w := b.do("GET", "/v1/generations?status=queued&status=running&model=flux-dev&limit=5&created_after=2026-11-22T00:00:00Z"+
			"&created_before=2026-11-23T00:00:00%2B01:00&starting_after="+sampleID, "")
		require.Equal(t, http.StatusOK, w.Code, w.Body.String())
		contractOf(t).requireConforms(t, "200", "get", "/v1/generations", w)

		after, before := time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 23, 0, 0, 0, time.UTC)
		require.True(t, got.CreatedAfter.Equal(after))
		require.True(t, got.CreatedBefore.Equal(before))

		got.CreatedAfter, got.CreatedBefore = nil, nil
		id, _ := publicid.Parse("gen_", sampleID)
		require.Equal(t, generation.Filter{
			Statuses: []generation.Status{generation.StatusQueued, generation.StatusRunning}, Model: "flux-dev", Limit: 5, StartingAfter: &generation.Place{ID: id},
		}, got)

		page := decode[httpapi.GenerationList](t, w)
		require.Equal(t, httpapi.FormatCursor(sample(generation.StatusQueued, 1)), *page.NextCursor)
		require.Equal(t, "/v1/generations", page.URL)
	})

	t.Run("Defaults", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.list = func(_ uuid.UUID, f generation.Filter) (generation.Page, error) {
			require.Equal(t, generation.Filter{Limit: 20}, f)

			return generation.Page{}, nil
		}

		w := b.do("GET", "/v1/generations", "")
		contractOf(t).requireConforms(t, "200", "get", "/v1/generations", w)
		require.JSONEq(t, `{"object":"list","data":[],"has_more":false,"next_cursor":null,"url":"/v1/generations"}`, w.Body.String())
	})

	t.Run("BackwardsTheCursorIsTheFirst", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		newer, older := sample(generation.StatusQueued, 1), sample(generation.StatusQueued, 1)
		newer.ID, older.ID = uuid.New(), uuid.New()
		b.list = func(uuid.UUID, generation.Filter) (generation.Page, error) {
			return generation.Page{Generations: []generation.Generation{newer, older}, HasMore: true}, nil
		}

		page := decode[httpapi.GenerationList](t, b.do("GET", "/v1/generations?ending_before="+sampleID, ""))
		require.Equal(t, httpapi.FormatCursor(newer), *page.NextCursor)
	})
}

func TestModels(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.models = func() []catalogue.Model {
		return []catalogue.Model{{
			ID: "m", Provider: "secret-provider", Text: catalogue.Form{Endpoint: "secret/endpoint"}, PromptMax: 2000, MaxImages: 4,
			AspectRatios: []string{"1:1"}, Qualities: []catalogue.Quality{{ID: "draft", Steps: 4, Pixels: 1}}, OutputFormats: []string{"png"},
			Image: &catalogue.Form{Endpoint: "secret/endpoint/edit", Strength: &catalogue.Strength{Min: 0.1, Max: 1, Default: 0.6}},
		}, {ID: "n"}}
	}
	b.degraded = map[string]time.Time{"n": time.Now()}

	w := b.do("GET", "/v1/models", "")
	require.Equal(t, http.StatusOK, w.Code)
	contractOf(t).requireConforms(t, "200", "get", "/v1/models", w)
	require.NotContains(t, w.Body.String(), "secret")

	var list httpapi.ModelList

	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &list))
	require.Equal(t, &httpapi.ModelReference{StrengthMin: 0.1, StrengthMax: 1, StrengthDefault: 0.6}, list.Data[0].Reference)
	require.Nil(t, list.Data[0].DegradedSince)
	require.Nil(t, list.Data[1].Reference)
	require.NotNil(t, list.Data[1].DegradedSince)

	for i, id := range []string{"m", "n"} {
		w := b.do("GET", "/v1/models/"+id, "")
		contractOf(t).requireConforms(t, "200", "get", "/v1/models/{id}", w)
		require.Equal(t, list.Data[i], decode[httpapi.Model](t, w), "as the list has it")
	}

	require.Equal(t, http.StatusNotFound, b.do("GET", "/v1/models/secret", "").Code)
}
