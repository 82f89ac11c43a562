package falsim

import (
	"crypto/md5" //nolint:gosec // an etag is no secret
	"encoding/hex"
	"encoding/json"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"
)

const (
	maxBody    = 100 << 20 // bytes of a call; the SDK splits files above 90 MiB
	maxUploads = 512 << 20 // bytes kept of all uploads together; the oldest go first
	maxParts   = 10_000
)

// upload is a file that a caller sent, or is about to send.
type upload struct {
	path        string // store and name
	token       string // the caller that has it may send
	contentType string
	data        []byte // nil: not there yet
	parts       map[int][]byte
	lifecycle   lifecycle
	sent        time.Time
}

func (u *upload) countBytes() int {
	n := len(u.data)
	for _, p := range u.parts {
		n += len(p)
	}

	return n
}

// serveInitiate gives an address to send a file to, and the one where it will be. The first
// needs no key: it is a secret itself. The shapes are those that fal's JavaScript client
// reads (@fal-ai/client 1.10, storage.js).
func (h *fileHost) serveInitiate(parts bool) handler {
	return func(w http.ResponseWriter, r *http.Request, body []byte) {
		if !h.gate.authorizeCall(w, r, "storage") {
			return
		}

		var in struct {
			ContentType string `json:"content_type"`
			FileName    string `json:"file_name"`
		}
		if err := json.Unmarshal(body, &in); err != nil || in.FileName == "" || r.URL.Query().Get("storage_type") != "fal-cdn-v3" {
			writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"detail": []problem{{Loc: []any{"body", "file_name"}, Msg: "Field required", Type: "missing"}}})

			return
		}

		h.mu.Lock()
		defer h.mu.Unlock()

		u := h.initiateUpload(r.Header, in.FileName, in.ContentType)

		kind := "upload"
		if parts {
			kind, u.parts = "multipart", map[int][]byte{}
		}

		base := h.Base(r)
		writeJSON(w, http.StatusOK, map[string]any{
			"upload_url": base + "/files/" + kind + "/" + u.path + "?token=" + u.token,
			"file_url":   base + "/files/b/" + u.path,
		})
	}
}

// initiateUpload names a file that is about to be sent. The caller holds mu.
func (h *fileHost) initiateUpload(header http.Header, name, kind string) *upload {
	if kind == "" {
		kind = "application/octet-stream"
	}

	life := header.Get("X-Fal-Object-Lifecycle")
	if life == "" {
		life = header.Get("X-Fal-Object-Lifecycle-Preference")
	}

	id := strings.ReplaceAll(h.NewID(), "-", "")
	u := &upload{
		path: id[:8] + "/" + id[8:28] + "_" + path.Base(path.Clean("/"+name)), token: h.NewID(),
		contentType: kind, lifecycle: readLifecycle(life),
	}

	h.uploads[u.path] = u
	h.byAge = append(h.byAge, u)

	return u
}

// servePost takes a file in one call, with a token, as fal's Python client sends it (fal_client 0.x,
// read 2026-08).
func (h *fileHost) servePost(w http.ResponseWriter, r *http.Request, body []byte) {
	name := r.Header.Get("X-Fal-File-Name")

	switch {
	case !h.hasToken(r):
		writeJSON(w, http.StatusUnauthorized, map[string]any{"detail": "Invalid token"})

		return
	case name == "":
		writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"detail": "X-Fal-File-Name is missing"})

		return
	}

	h.mu.Lock()
	defer h.mu.Unlock()

	u := h.initiateUpload(r.Header, name, r.Header.Get("Content-Type"))
	h.storeUpload(u, body)
	writeJSON(w, http.StatusOK, map[string]any{"access_url": h.Base(r) + "/files/b/" + u.path})
}

// findUpload finds the upload that a call may add to. The caller holds mu.
func (h *fileHost) findUpload(w http.ResponseWriter, r *http.Request, parts bool) *upload {
	u := h.uploads[r.PathValue("store")+"/"+r.PathValue("name")]

	switch {
	case u == nil || u.data != nil || parts != (u.parts != nil):
		writeJSON(w, http.StatusNotFound, map[string]any{"detail": "Upload not found"})
	case r.URL.Query().Get("token") != u.token:
		writeJSON(w, http.StatusForbidden, map[string]any{"detail": "Invalid upload token"})
	default:
		return u
	}

	return nil
}

func (h *fileHost) servePut(w http.ResponseWriter, r *http.Request, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()

	if u := h.findUpload(w, r, false); u != nil {
		if t := r.Header.Get("Content-Type"); t != "" {
			u.contentType = t
		}

		h.storeUpload(u, body)
		writeJSON(w, http.StatusOK, map[string]any{"access_url": h.Base(r) + "/files/b/" + u.path})
	}
}

func (h *fileHost) servePart(w http.ResponseWriter, r *http.Request, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()

	u := h.findUpload(w, r, true)
	if u == nil {
		return
	}

	n, err := strconv.Atoi(r.PathValue("part"))
	if err != nil || n < 1 || n > maxParts || u.countBytes()+len(body) > maxUploads {
		writeJSON(w, http.StatusBadRequest, map[string]any{"detail": "Invalid part"})

		return
	}

	u.parts[n] = body
	writeJSON(w, http.StatusOK, map[string]any{"partNumber": n, "etag": computeETag(body)})
}

// serveComplete puts the parts together if they are the ones that came in.
func (h *fileHost) serveComplete(w http.ResponseWriter, r *http.Request, body []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()

	u := h.findUpload(w, r, true)
	if u == nil {
		return
	}

	var in struct {
		Parts []struct {
			Number int    `json:"partNumber"`
			ETag   string `json:"etag"`
		} `json:"parts"`
	}

	whole := []byte{}
	fits := json.Unmarshal(body, &in) == nil && len(in.Parts) == len(u.parts) && len(in.Parts) > 0

	for i, p := range in.Parts {
		data, known := u.parts[p.Number]
		fits = fits && known && p.Number == i+1 && p.ETag == computeETag(data)
		whole = append(whole, data...)
	}

	if !fits {
		writeJSON(w, http.StatusBadRequest, map[string]any{"detail": "The parts do not fit"})

		return
	}

	u.parts = nil
	h.storeUpload(u, whole)
	writeJSON(w, http.StatusOK, map[string]any{})
}

// storeUpload keeps an upload and forgets the oldest ones beyond the bound. The caller holds mu.
func (h *fileHost) storeUpload(u *upload, data []byte) {
	u.data, u.sent = data, h.Clock.Now()

	total := 0
	for _, u := range h.byAge {
		total += u.countBytes()
	}

	for total > maxUploads {
		old := h.byAge[0]
		total -= old.countBytes()
		h.byAge = h.byAge[1:]
		delete(h.uploads, old.path)
	}
}

// serveUpload serves a file that was sent. It reports whether there is one.
func (h *fileHost) serveUpload(w http.ResponseWriter, r *http.Request, at string) bool {
	h.mu.Lock()
	u := h.uploads[at]
	gone := u == nil || u.data == nil || u.lifecycle.hasExpired(u.sent, h.Clock.Now())
	h.mu.Unlock()

	if gone {
		return false
	}

	if !h.mayRead(w, r, u.lifecycle) {
		return true
	}

	w.Header().Set("Cache-Control", cacheLong)
	w.Header().Set("Content-Type", u.contentType)
	writeFile(w, u.data)

	return true
}

func computeETag(data []byte) string {
	sum := md5.Sum(data) //nolint:gosec // an etag is no secret

	return `"` + hex.EncodeToString(sum[:]) + `"`
}
