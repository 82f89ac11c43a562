package calllog

import "net/http"

// StatusWriter remembers how a call was answered, for the log.
type StatusWriter struct {
	http.ResponseWriter

	Status int // 0: none was written
}

// WriteHeader notes the status and passes it on.
func (w *StatusWriter) WriteHeader(code int) {
	w.Status = code
	w.ResponseWriter.WriteHeader(code)
}

// Write passes on; without a status before it is 200.
func (w *StatusWriter) Write(b []byte) (int, error) {
	if w.Status == 0 {
		w.Status = http.StatusOK
	}

	return w.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (w *StatusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
