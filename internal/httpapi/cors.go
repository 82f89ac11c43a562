package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/rs/cors"
)

// preflightAge is how long a browser remembers what it may send.
const preflightAge = 10 * time.Minute

// allowOrigins lets pages of the allowed origins call /v1 with a bearer token. Cookies stay those of our own pages:
// no answer allows credentials.
func (s *server) allowOrigins(next http.Handler) http.Handler {
	if len(s.AllowedOrigins) == 0 {
		return next
	}

	allowed := cors.New(cors.Options{
		AllowedOrigins: s.AllowedOrigins,
		AllowedMethods: []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete},
		AllowedHeaders: []string{"Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer", "X-Request-Id"},
		ExposedHeaders: []string{
			"Content-Disposition", "ETag", "Idempotent-Replayed", "Location", "Preference-Applied", "RateLimit", "RateLimit-Policy",
			"Retry-After", "X-Credits-Balance", "X-Credits-Held", "X-Request-Id",
		},
		MaxAge: int(preflightAge.Seconds()),
	}).Handler(next)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/") {
			allowed.ServeHTTP(w, r)
		} else {
			next.ServeHTTP(w, r)
		}
	})
}
