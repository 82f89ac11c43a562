package falsim

import (
	"maps"
	"net/http"
)

// status remembers the answer's code for the record.
type status struct {
	http.ResponseWriter

	code int
}

func (w *status) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

func (w *status) Write(b []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}

	return w.ResponseWriter.Write(b)
}

func (w *status) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// buffer keeps a reply back.
type buffer struct {
	header http.Header
	code   int
	body   []byte
}

func (b *buffer) Header() http.Header  { return b.header }
func (b *buffer) WriteHeader(code int) { b.code = code }

func (b *buffer) Write(p []byte) (int, error) {
	b.body = append(b.body, p...)

	return len(p), nil
}

func (b *buffer) send(w http.ResponseWriter, part []byte) {
	maps.Copy(w.Header(), b.header)

	w.WriteHeader(b.code)
	_, _ = w.Write(part)
	_ = http.NewResponseController(w).Flush()
}
