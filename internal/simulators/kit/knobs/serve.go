package knobs

import (
	"encoding/json"
	"io"
	"net/http"
)

// maxBody bounds what is sent to a control surface.
const maxBody = 4 << 20

// Serve shows knobs with GET, and with PUT turns those that the body names and leaves the others. Get returns
// a copy; set checks and turns them all, or none.
func Serve[K any](get func() K, set func(K) error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { Answer(w, http.StatusOK, get()) })
	mux.HandleFunc("PUT /", func(w http.ResponseWriter, r *http.Request) {
		next := get()
		if !Read(w, r, &next) {
			return
		}

		if err := set(next); err != nil {
			Refuse(w, http.StatusBadRequest, err)

			return
		}

		Answer(w, http.StatusOK, next)
	})

	return mux
}

// Read takes a JSON body in and refuses unknown fields, so that a typing error is noticed. It reports false
// when it has answered.
func Read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(io.LimitReader(r.Body, maxBody))
	d.DisallowUnknownFields()

	if err := d.Decode(into); err != nil {
		Refuse(w, http.StatusBadRequest, err)

		return false
	}

	return true
}

// Answer writes a JSON body.
func Answer(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // only our own types get here
	}

	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// Refuse answers with an error's text.
func Refuse(w http.ResponseWriter, status int, err error) {
	Answer(w, status, map[string]string{"error": err.Error()})
}
