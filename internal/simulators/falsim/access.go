package falsim

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

const tokenLife = time.Hour

// lifecycle says how long files live and who may read them: the object lifecycle header, which
// is "X-Fal-Object-Lifecycle-Preference" for outputs and "X-Fal-Object-Lifecycle" for uploads.
// https://fal.ai/docs (media expiration and access, read 2026-11)
type lifecycle struct {
	keep   time.Duration // 0: for ever
	access string        // "allow", "forbid" or "hide"; empty: allow
}

func readLifecycle(header string) lifecycle {
	var in struct {
		Seconds *float64 `json:"expiration_duration_seconds"`
		ACL     struct {
			Default string `json:"default"`
		} `json:"initial_acl"`
	}
	if json.Unmarshal([]byte(header), &in) != nil {
		return lifecycle{}
	}

	out := lifecycle{access: in.ACL.Default}
	if in.Seconds != nil {
		out.keep = time.Duration(*in.Seconds * float64(time.Second))
	}

	return out
}

// over reports whether what began to live then does no more.
func (l lifecycle) over(began, now time.Time) bool { return l.keep > 0 && now.After(began.Add(l.keep)) }

// serveToken gives the account's token for files that are not everybody's.
func (s *Sim) serveToken(w http.ResponseWriter, r *http.Request, _ []byte) {
	if !s.authorized(w, r, "storage") {
		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	token, expires := s.newID(), s.now().Add(tokenLife)
	s.tokens[token] = expires
	answer(w, http.StatusOK, map[string]any{
		"token": token, "token_type": "Bearer", "base_url": s.base(r) + "/files", "expires_at": expires.UTC().Format(time.RFC3339),
	})
}

// mayRead answers for a file that the caller may not read, and reports whether it may.
func (s *Sim) mayRead(w http.ResponseWriter, r *http.Request, l lifecycle) bool {
	if l.access != "forbid" && l.access != "hide" {
		return true
	}

	s.mu.Lock()
	expires := s.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	s.mu.Unlock()

	switch {
	case s.now().Before(expires):
		return true
	case l.access == "hide":
		http.Error(w, "404 page not found", http.StatusNotFound)
	default:
		http.Error(w, "403 forbidden", http.StatusForbidden)
	}

	return false
}
