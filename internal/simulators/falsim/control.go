package falsim

import (
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

//go:embed control.html
var controlPage []byte

// Control serves the back door: what came in, what to do wrong, what to send. It has no login:
// never put it on an address that others reach.
func (s *Sim) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.serveIndex)
	mux.HandleFunc("GET /_control/{$}", s.serveIndex)
	mux.HandleFunc("GET /_control/requests", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, last(r, s.Requests(r.URL.Query().Get("route"))))
	})
	mux.HandleFunc("GET /_control/stats", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.Stats())
	})
	mux.HandleFunc("GET /_control/faults", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, Faults())
	})
	mux.HandleFunc("GET /_control/knobs", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, s.Knobs())
	})
	mux.HandleFunc("PUT /_control/knobs", s.putKnobs)
	mux.HandleFunc("GET /_control/rules", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()

		answer(w, http.StatusOK, s.rules.List())
	})
	mux.HandleFunc("POST /_control/rules", s.postRule)
	mux.HandleFunc("DELETE /_control/rules", func(w http.ResponseWriter, _ *http.Request) {
		s.Release(0)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_control/rules/{id}/release", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil || id < 1 {
			answer(w, http.StatusBadRequest, map[string]string{"error": "id: must be the number of a rule"})

			return
		}

		s.Release(id)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /_control/deliveries", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, last(r, s.Deliveries()))
	})
	mux.HandleFunc("GET /_control/pictures", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("last"))
		if err != nil || n < 0 {
			n = 50
		}

		answer(w, http.StatusOK, s.Pictures(n))
	})
	mux.HandleFunc("GET /_control/pictures/{store}/{name}", s.servePicture)
	mux.HandleFunc("POST /_control/deliveries", s.postWebhook)
	mux.HandleFunc("POST /_control/keys", func(w http.ResponseWriter, r *http.Request) {
		s.RotateKey(r.URL.Query().Get("keep") == "true")
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_control/reset", func(w http.ResponseWriter, _ *http.Request) {
		s.Reset()
		w.WriteHeader(http.StatusNoContent)
	})

	return mux
}

func (s *Sim) serveIndex(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(controlPage)
}

// putKnobs changes the knobs that the body names and leaves the others.
func (s *Sim) putKnobs(w http.ResponseWriter, r *http.Request) {
	next := s.Knobs()
	if !read(w, r, &next) {
		return
	}

	if err := next.check(); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})

		return
	}

	s.SetKnobs(func(k *Knobs) { *k = next })
	answer(w, http.StatusOK, next)
}

func (s *Sim) postRule(w http.ResponseWriter, r *http.Request) {
	var in Rule
	if !read(w, r, &in) {
		return
	}

	id, err := s.AddRule(in)
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})

		return
	}

	answer(w, http.StatusCreated, map[string]int{"id": id})
}

func (s *Sim) postWebhook(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Event string          `json:"event"`
		Fault string          `json:"fault"`
		URL   string          `json:"url"`
		Body  json.RawMessage `json:"body"`
	}
	if !read(w, r, &in) {
		return
	}

	if err := s.SendWebhook(in.Event, in.Fault, in.URL, in.Body); err != nil {
		answer(w, http.StatusNotFound, map[string]string{"error": err.Error()})

		return
	}

	w.WriteHeader(http.StatusAccepted)
}

// read takes a JSON body in and refuses unknown fields, so that a typing error is noticed.
func read(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(io.LimitReader(r.Body, 4<<20))
	d.DisallowUnknownFields()

	if err := d.Decode(into); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})

		return false
	}

	return true
}
