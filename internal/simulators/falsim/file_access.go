package falsim

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

const tokenLife = time.Hour

// lifecycle says how long files live and who may read them: the object lifecycle header, which
// is "X-Fal-Object-Lifecycle-Preference" for outputs and either that or "X-Fal-Object-Lifecycle" for
// uploads.
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

// hasExpired reports whether what began to live then does no more.
func (l lifecycle) hasExpired(began, now time.Time) bool {
	return l.keep > 0 && now.After(began.Add(l.keep))
}

// serveToken gives the account's token for files that are not public.
func (h *fileHost) serveToken(w http.ResponseWriter, r *http.Request, _ []byte) {
	if !h.gate.authorizeCall(w, r, "storage") {
		return
	}

	h.mu.Lock()
	defer h.mu.Unlock()

	token, expires := h.NewID(), h.Clock.Now().Add(tokenLife)
	h.tokens[token] = expires
	writeJSON(w, http.StatusOK, map[string]any{
		"token": token, "token_type": "Bearer", "base_url": h.Base(r) + "/files", "expires_at": expires.UTC().Format(time.RFC3339),
	})
}

// mayRead answers for a file that the caller may not read, and reports whether it may.
func (h *fileHost) mayRead(w http.ResponseWriter, r *http.Request, l lifecycle) bool {
	if l.access != "forbid" && l.access != "hide" {
		return true
	}

	switch {
	case h.hasToken(r), h.hasSignedLink(r):
		return true
	case l.access == "hide":
		http.Error(w, "404 page not found", http.StatusNotFound)
	default:
		http.Error(w, "403 forbidden", http.StatusForbidden)
	}

	return false
}

// hasToken reports whether the call has a token that is still good.
func (h *fileHost) hasToken(r *http.Request) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.Clock.Now().Before(h.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")])
}

// hasSignedLink reports whether the call's address was signed, and still is.
func (h *fileHost) hasSignedLink(r *http.Request) bool {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.Clock.Now().Before(h.links[r.PathValue("store")+"/"+r.PathValue("name")+"?"+r.URL.Query().Get("signature")])
}

// maxSigned is how long a signed link may last.
const maxSigned = 7 * 24 * time.Hour

// serveSign gives a link with which a private file can be read for a while, without a key.
// https://fal.ai/docs (file access controls, read 2026-11)
func (h *fileHost) serveSign(w http.ResponseWriter, r *http.Request, body []byte) {
	if !h.hasToken(r) && !h.gate.authorizeCall(w, r, "storage") {
		return
	}

	var in struct {
		Seconds int64    `json:"duration"`
		Scope   []string `json:"scope"`
	}

	lasts := time.Hour
	if json.Unmarshal(body, &in) == nil && in.Seconds != 0 {
		lasts = time.Duration(in.Seconds) * time.Second
	}

	if lasts <= 0 || lasts > maxSigned || in.Scope != nil && !slices.Contains(in.Scope, "read") {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"detail": "Invalid duration or scope"})

		return
	}

	path := r.PathValue("store") + "/" + r.PathValue("name")

	h.mu.Lock()
	defer h.mu.Unlock()

	if _, made := h.files[path]; !made && h.uploads[path] == nil {
		writeJSON(w, http.StatusNotFound, map[string]any{"detail": "File not found"})

		return
	}

	signature := h.NewID()
	h.links[path+"?"+signature] = h.Clock.Now().Add(lasts)
	writeJSON(w, http.StatusOK, map[string]any{"signed_url": h.Base(r) + "/files/b/" + path + "?signature=" + signature})
}
