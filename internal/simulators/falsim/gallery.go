package falsim

import (
	"slices"
	"time"
)

// Picture is one picture that was made, or the file that a caller uploaded.
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
			f := s.host.files[path]
			out = append(out, Picture{
				Path: path, RequestID: r.id, Endpoint: r.endpoint, Prompt: r.input.prompt, Seed: f.pic.seed,
				Width: f.pic.width, Height: f.pic.height, Made: r.finished, Gone: f.isGone(s.Clock.Now()),
			})
		}

		if len(out) >= last {
			break
		}
	}

	return out[:min(last, len(out))]
}
