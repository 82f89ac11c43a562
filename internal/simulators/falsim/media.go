package falsim

import (
	"io"
	"net/http"
	"strconv"
)

const hugeBytes = 64 << 20

// serveFile is the file host: no key, a long cache life, 404 once erased or expired. The
// picture is painted now, and never before somebody wants it.
func (s *Sim) serveFile(w http.ResponseWriter, r *http.Request, _ []byte) {
	s.mu.Lock()
	f, ok := s.files[r.PathValue("store")+"/"+r.PathValue("name")]
	ok = ok && !f.gone(s.now()) && s.knobs.Media != "missing"
	fault := s.knobs.Media
	s.mu.Unlock()

	if !ok {
		http.Error(w, "404 page not found", http.StatusNotFound)

		return
	}

	w.Header().Set("Cache-Control", "public, max-age=5184000, immutable")
	w.Header().Set("Content-Type", contentType(f.format))

	switch fault {
	case "html":
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>Just a moment…</title>")

		return
	case "not_image":
		_, _ = io.WriteString(w, "this is no picture")

		return
	case "huge":
		w.Header().Set("Content-Length", strconv.Itoa(hugeBytes))

		for range hugeBytes / len(zeros) {
			if _, err := w.Write(zeros[:]); err != nil {
				return
			}
		}

		return
	}

	data, err := f.pic.encode(f.format)
	if err != nil {
		http.Error(w, "cannot paint", http.StatusInternalServerError)

		return
	}

	w.Header().Set("Content-Length", strconv.Itoa(len(data)))

	if fault == "truncated" {
		_, _ = w.Write(data[:len(data)/2])
		panic(http.ErrAbortHandler) // the connection ends short of what was announced
	}

	_, _ = w.Write(data)
}

var zeros [1 << 16]byte //nolint:gochecknoglobals // never written
