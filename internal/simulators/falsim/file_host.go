package falsim

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"imagerun/internal/simulators/kit"
)

const cacheLong = "public, max-age=5184000, immutable"

// fileHost is where the pictures of results are, and what callers have uploaded.
type fileHost struct {
	*kit.Kit

	gate       gate
	bigPicture func() []byte // a bomb, made when first wanted

	mu      *sync.Mutex     // the simulator's: guards all below
	files   map[string]file // outputs, by path
	uploads map[string]*upload
	byAge   []*upload
	tokens  map[string]time.Time // for private files, with their ends
	links   map[string]time.Time // signed, "path?signature", with their ends
}

// resetFiles puts everything back to the beginning. The caller holds mu.
func (h *fileHost) resetFiles() {
	h.files, h.uploads, h.byAge = map[string]file{}, map[string]*upload{}, nil
	h.tokens, h.links = map[string]time.Time{}, map[string]time.Time{}
}

// file is one output on the file host.
type file struct {
	request *request
	pic     picture
	format  string
}

// isGone reports whether the file is no longer served.
func (f file) isGone(now time.Time) bool {
	r := f.request

	return r.erased || r.lifecycle.hasExpired(r.finished, now)
}

// addFile names a file and remembers how to paint it. The caller holds mu.
func (h *fileHost) addFile(r *request, f file, i int) string {
	if r.input.syncMode {
		return ""
	}

	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", r.id, i, h.Seed()))
	name := base64.RawURLEncoding.EncodeToString(sum[4:20])
	path := hex.EncodeToString(sum[:4]) + "/" + name + "." + f.format
	h.files[path] = f
	r.paths = append(r.paths, path)

	return r.base + "/files/b/" + path
}

// serveMedia serves a file: no key, a long cache life, 404 once erased or expired. The picture is painted
// now, and not before a caller wants it; fault spoils it in one of the ways of [Poisons].
func (h *fileHost) serveMedia(w http.ResponseWriter, r *http.Request, fault string) {
	h.mu.Lock()
	f, ok := h.files[r.PathValue("store")+"/"+r.PathValue("name")]
	ok = ok && !f.isGone(h.Clock.Now())
	h.mu.Unlock()

	if !ok && h.serveUpload(w, r, r.PathValue("store")+"/"+r.PathValue("name")) {
		return
	}

	if !ok {
		http.Error(w, "404 page not found", http.StatusNotFound)

		return
	}

	if !h.mayRead(w, r, f.request.lifecycle) {
		return
	}

	w.Header().Set("Cache-Control", cacheLong)
	w.Header().Set("Content-Type", contentType(f.format))

	if p, poisoned := poisonsByName()[fault]; poisoned {
		p.serve(h, w, f)

		return
	}

	data, err := f.pic.encodeAs(f.format)
	if err != nil {
		http.Error(w, "cannot paint", http.StatusInternalServerError)

		return
	}

	writeFile(w, data)
}

// servePicture paints a picture for the page: uncounted, unspoiled, and as a PNG.
func (h *fileHost) servePicture(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	f, ok := h.files[r.PathValue("store")+"/"+r.PathValue("name")]
	h.mu.Unlock()

	if !ok {
		http.NotFound(w, r)

		return
	}

	data, err := f.pic.encodeAs("png")
	if err != nil {
		http.Error(w, "cannot paint", http.StatusInternalServerError)

		return
	}

	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "private, max-age=86400, immutable")
	writeFile(w, data)
}

// writeFile writes a file with its length.
func writeFile(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}
