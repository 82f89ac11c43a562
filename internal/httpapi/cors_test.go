package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
)

// Pages of the origins that are listed may call, and no others; a cookie is sent along by none.
func TestCORS(t *testing.T) {
	t.Parallel()

	const listed = "https://studio.example"

	b := setup(t, func(d *httpapi.Deps) { d.AllowedOrigins = []string{listed} })
	b.get = ofAlice(sample(generation.StatusSucceeded, 9))

	preflight := func(target, origin string) http.Header {
		return b.do("OPTIONS", target, "", "Authorization", "", "Origin", origin, "Access-Control-Request-Method", "POST",
			"Access-Control-Request-Headers", "authorization,content-type,idempotency-key,prefer").Header()
	}

	h := preflight("/v1/generations", listed)
	require.Equal(t, listed, h.Get("Access-Control-Allow-Origin"))
	require.Equal(t, "POST", h.Get("Access-Control-Allow-Methods"))
	require.Contains(t, h.Get("Access-Control-Allow-Headers"), "authorization")
	require.Empty(t, h.Get("Access-Control-Allow-Credentials"))

	require.Empty(t, preflight("/v1/generations", "https://evil.example").Get("Access-Control-Allow-Origin"))
	require.Empty(t, preflight("/api/auth/sign-in/email", listed).Get("Access-Control-Allow-Origin"))
	require.Empty(t, b.calls())

	w := b.do("GET", "/v1/generations/"+sampleID, "", "Origin", listed)
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, listed, w.Header().Get("Access-Control-Allow-Origin"))
	require.Empty(t, w.Header().Get("Access-Control-Allow-Credentials"))
	require.Contains(t, strings.ToLower(w.Header().Get("Access-Control-Expose-Headers")), "etag")
	require.Contains(t, strings.Join(w.Header().Values("Vary"), ", "), "Origin")

	// A refusal can be read too, and a cookie from there is no good.
	w = b.do("GET", "/v1/generations/gen_1", "", "Origin", listed)
	requireCode(t, w, http.StatusNotFound, "not_found")
	require.Equal(t, listed, w.Header().Get("Access-Control-Allow-Origin"))

	w = b.do("DELETE", "/v1/generations/"+sampleID, "", "Authorization", "", "Cookie", "session=1", "Origin", listed, "Sec-Fetch-Site", "cross-site")
	requireCode(t, w, http.StatusForbidden, "cross_origin")
}
