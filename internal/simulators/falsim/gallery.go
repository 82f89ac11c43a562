package falsim

import (
	"net/http"
	"slices"
	"time"
)

// Picture is one picture that was made, or the file that somebody uploaded.
type Picture struct {
	Path      string    `json:"path"` // below /files/b/
	RequestID string    `json:"request_id"`
	Endpoint  string    `json:"endpoint"`
	Prompt    string    `json:"prompt"`
	Seed      int64     `json:"seed"`
	Width     int       `json:"width"`  // pixels
	Height    int       `json:"height"` // pixels
	Made      time.Time `json:"made"`
	Gone      bool      `json:"gone"` // erased, or its lifetime is over
}

// Pictures lists the last pictures, the newest first.
func (s *Sim) Pictures(last int) []Picture {
	s.mu.Lock()
	defer s.mu.Unlock()

	out := []Picture{}

	for _, r := range slices.Backward(s.order) {
		for _, path := range r.paths {
			f := s.files[path]
			out = append(out, Picture{
				Path: path, RequestID: r.id, Endpoint: r.endpoint, Prompt: r.input.prompt, Seed: f.pic.seed,
				Width: f.pic.width, Height: f.pic.height, Made: r.finished, Gone: f.gone(s.Clock.Now()),
			})
		}

		if len(out) >= last {
			break
		}
	}

	return out[:min(last, len(out))]
}

// servePicture paints a picture for the page: uncounted, unspoiled, and as a PNG.
func (s *Sim) servePicture(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f, ok := s.files[r.PathValue("store")+"/"+r.PathValue("name")]
	s.mu.Unlock()

	if !ok {
		http.NotFound(w, r)

		return
	}

	data, err := f.pic.encode("png")
	if err != nil {
		http.Error(w, "cannot paint", http.StatusInternalServerError)

		return
	}

	w.Header().Set("Content-Type", "image/png")
	w.Header().Set("Cache-Control", "private, max-age=86400, immutable")
	send(w, data)
}
