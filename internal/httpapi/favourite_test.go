package httpapi_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
	"imagerun/internal/publicid"
)

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
