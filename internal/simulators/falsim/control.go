package falsim

import (
	_ "embed"
	"net/http"
	"strconv"
)

//go:embed control.html
var controlPage string

// Control serves the back door: the kit's, and what only fal has. It has no login: never put it on an address
// that others reach.
func (s *Sim) Control() http.Handler {
	mux := s.Kit.Control()
	mux.HandleFunc("GET /_control/pictures", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("last"))
		if err != nil || n < 0 {
			n = 50
		}

		writeJSON(w, http.StatusOK, s.Pictures(n))
	})
	mux.HandleFunc("GET /_control/pictures/{store}/{name}", s.host.servePicture)
	mux.HandleFunc("POST /_control/keys", func(w http.ResponseWriter, r *http.Request) {
		s.RotateKey(r.URL.Query().Get("keep") == "true")
		w.WriteHeader(http.StatusNoContent)
	})

	return mux
}
