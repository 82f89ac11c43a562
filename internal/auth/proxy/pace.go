package proxy

import (
	"net/http"
	"time"

	"imagerun/internal/clock"
)

// pacedWriter holds an answer back until a whole number of steps has passed since the request. Better Auth does
// more for an address that it knows, or for one that it does not, and its time would tell which.
type pacedWriter struct {
	http.ResponseWriter

	r     *http.Request
	began time.Time
	step  time.Duration
	held  bool
}

// Unwrap serves [http.ResponseController].
func (w *pacedWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader waits, then passes on.
func (w *pacedWriter) WriteHeader(status int) {
	w.holdBack()
	w.ResponseWriter.WriteHeader(status)
}

// Write waits too, for there may be no WriteHeader before it.
func (w *pacedWriter) Write(b []byte) (int, error) {
	w.holdBack()

	return w.ResponseWriter.Write(b)
}

func (w *pacedWriter) holdBack() {
	if w.held {
		return
	}

	w.held = true

	clock.Sleep(w.r.Context(), w.step-time.Since(w.began)%w.step) // it is cut short when no caller is there to tell the time
}
