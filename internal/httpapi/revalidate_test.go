package httpapi_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/httpapi"
)

// What a browser may keep, it asks about, and hears that nothing has changed.
func TestRevalidate(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := sample(generation.StatusSucceeded, 9)
	b.get = ofAlice(g)
	b.models = func() []catalogue.Model { return []catalogue.Model{{ID: "m"}} }
	b.list = func(uuid.UUID, generation.Filter) (generation.Page, error) {
		return generation.Page{Generations: []generation.Generation{g}}, nil
	}

	for target, path := range map[string]string{
		"/v1/generations": "/v1/generations", "/v1/generations/" + sampleID: "/v1/generations/{id}", "/v1/models": "/v1/models",
	} {
		first := b.do("GET", target, "")
		require.Equal(t, http.StatusOK, first.Code, target)
		require.Equal(t, "private, no-cache", first.Header().Get("Cache-Control"), target)
		require.Contains(t, first.Header().Values("Vary"), "Authorization, Cookie", target)
		contractOf(t).requireConforms(t, "200", "get", path, first)

		tag := first.Header().Get("ETag")
		require.NotEmpty(t, tag, target)

		again := b.do("GET", target, "", "If-None-Match", tag)
		require.Equal(t, http.StatusNotModified, again.Code, target)
		require.Equal(t, "private, no-cache", again.Header().Get("Cache-Control"), target)
		require.Equal(t, tag, again.Header().Get("ETag"), target)
		contractOf(t).requireConforms(t, "304", "get", path, again)

		require.Equal(t, http.StatusOK, b.do("GET", target, "", "If-None-Match", `"another"`).Code, target)
	}

	// Another state is another answer, and a refusal is not kept.
	old := b.do("GET", "/v1/generations", "").Header().Get("ETag")
	g.Favourite = true
	require.Equal(t, http.StatusOK, b.do("GET", "/v1/generations", "", "If-None-Match", old).Code)

	w := b.do("GET", "/v1/generations/"+sampleID, "", "Authorization", "Bearer bob")
	requireCode(t, w, http.StatusNotFound, "not_found")
	require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
}

func TestLists_AreCompressed(t *testing.T) {
	t.Parallel()

	b := setup(t)
	g := sample(generation.StatusSucceeded, 9)
	b.list = func(uuid.UUID, generation.Filter) (generation.Page, error) {
		return generation.Page{Generations: []generation.Generation{g, g, g}}, nil
	}
	b.entries = func(uuid.UUID, int64, int) ([]credits.Entry, error) { return make([]credits.Entry, 20), nil }
	b.models = func() []catalogue.Model { return make([]catalogue.Model, 20) }

	for _, target := range []string{"/v1/generations", "/v1/credits/entries", "/v1/models"} {
		plain := b.do("GET", target, "")
		require.Empty(t, plain.Header().Get("Content-Encoding"), target)

		w := b.do("GET", target, "", "Accept-Encoding", "br, gzip")
		require.Equal(t, "gzip", w.Header().Get("Content-Encoding"), target)
		require.Contains(t, strings.Join(w.Header().Values("Vary"), ", "), "Accept-Encoding", target)
		require.Less(t, w.Body.Len(), plain.Body.Len()/2, target)
		require.Equal(t, plain.Header().Get("ETag"), w.Header().Get("ETag"), target)

		r, err := gzip.NewReader(w.Body)
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.JSONEq(t, plain.Body.String(), string(text))
	}

	// A short one is not worth it.
	b.entries = func(uuid.UUID, int64, int) ([]credits.Entry, error) { return nil, nil }
	w := b.do("GET", "/v1/credits/entries", "", "Accept-Encoding", "gzip")
	require.Empty(t, w.Header().Get("Content-Encoding"))
	require.True(t, json.Valid(w.Body.Bytes()))
}

// A refusal for want of a scope says which, in words, for programs and in the header.
func TestScope_IsNamed(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for call, scope := range map[string]auth.Scope{
		"GET /v1/credits": auth.ScopeCreditsRead, "POST /v1/uploads": auth.ScopeGenerationsWrite, "DELETE /v1/generations/" + sampleID: auth.ScopeGenerationsWrite,
	} {
		method, target, _ := strings.Cut(call, " ")
		w := b.do(method, target, "", "Authorization", "Bearer reader")
		p := requireCode(t, w, http.StatusForbidden, "insufficient_scope")
		require.Equal(t, new(httpapi.Scope(scope)), p.RequiredScope)
		require.Contains(t, p.Detail, scope)
		require.Equal(t, `Bearer realm="imagerun", error="insufficient_scope", scope="`+string(scope)+`"`, w.Header().Get("WWW-Authenticate"))
	}

	require.Nil(t, requireCode(t, b.do("GET", "/v1/credits", "", "Authorization", ""), http.StatusUnauthorized, "unauthenticated").RequiredScope)
}
