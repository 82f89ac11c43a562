package falsim

import (
	"net/http"
	"strconv"
)

const cacheLong = "public, max-age=5184000, immutable"

// serveFile is the file host: no key, a long cache life, 404 once erased or expired. The
// picture is painted now, and never before somebody wants it.
func (s *Sim) serveFile(w http.ResponseWriter, r *http.Request, _ []byte) {
	s.serveMedia(w, r, s.Knobs().Media)
}

// serveMedia serves a file, spoiled in one of the ways of [Poisons].
func (s *Sim) serveMedia(w http.ResponseWriter, r *http.Request, fault string) {
	s.mu.Lock()
	f, ok := s.files[r.PathValue("store")+"/"+r.PathValue("name")]
	ok = ok && !f.gone(s.Clock.Now())
	s.mu.Unlock()

	if !ok && s.serveUpload(w, r, r.PathValue("store")+"/"+r.PathValue("name")) {
		return
	}

	if !ok {
		http.Error(w, "404 page not found", http.StatusNotFound)

		return
	}

	if !s.mayRead(w, r, f.request.lifecycle) {
		return
	}

	w.Header().Set("Cache-Control", cacheLong)
	w.Header().Set("Content-Type", contentType(f.format))

	if p, poisoned := poisons()[fault]; poisoned {
		p.serve(s, w, f)

		return
	}

	data, err := f.pic.encode(f.format)
	if err != nil {
		http.Error(w, "cannot paint", http.StatusInternalServerError)

		return
	}

	send(w, data)
}

// send writes a file with its length.
func send(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(data)))
	_, _ = w.Write(data)
}

// serveTrap is where a redirect or a false link of chaos leads. Who comes here has followed it.
func (s *Sim) serveTrap(w http.ResponseWriter, _ *http.Request, _ []byte) {
	answer(w, http.StatusOK, map[string]any{"status": "COMPLETED", "request_id": "trap"})
}
