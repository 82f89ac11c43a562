package kit

import (
	_ "embed"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"time"

	"imagerun/internal/simulators/kit/knobs"
	"imagerun/internal/simulators/kit/rules"
)

//go:embed control.html
var controlPage string

// Control serves the back door: what came in, what to do wrong, what to send, what hour it is. It has no login:
// never put it on an address that others reach. A vendor may add to it.
func (k *Kit) Control() *http.ServeMux {
	mux := http.NewServeMux()
	page := template.Must(template.New("control").Parse(controlPage))
	serveIndex := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, k.vendor) // the reader may have gone
	}

	mux.HandleFunc("GET /{$}", serveIndex)
	mux.HandleFunc("GET /_control/{$}", serveIndex)
	mux.HandleFunc("GET /_control/requests", func(w http.ResponseWriter, r *http.Request) {
		knobs.Answer(w, http.StatusOK, lastOf(r, k.Requests(r.URL.Query().Get("route"))))
	})
	mux.HandleFunc("GET /_control/stats", k.serveStats)
	mux.HandleFunc("GET /_control/faults", func(w http.ResponseWriter, _ *http.Request) {
		knobs.Answer(w, http.StatusOK, k.vendor.Faults())
	})
	mux.Handle("/_control/knobs", k.knobsHandler())
	mux.HandleFunc("GET /_control/rules", func(w http.ResponseWriter, _ *http.Request) {
		k.lock.Lock()
		defer k.lock.Unlock()

		knobs.Answer(w, http.StatusOK, k.rules.List())
	})
	mux.HandleFunc("POST /_control/rules", k.postRule)
	mux.HandleFunc("DELETE /_control/rules", func(w http.ResponseWriter, _ *http.Request) {
		k.Release(0)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_control/rules/{id}/release", k.releaseRule)
	mux.HandleFunc("GET /_control/deliveries", func(w http.ResponseWriter, r *http.Request) {
		knobs.Answer(w, http.StatusOK, lastOf(r, k.Deliveries()))
	})
	mux.HandleFunc("POST /_control/deliveries", k.postDelivery)
	mux.HandleFunc("GET /_control/clock", k.serveClock)
	mux.HandleFunc("POST /_control/clock", k.moveClock)
	mux.HandleFunc("POST /_control/reset", func(w http.ResponseWriter, _ *http.Request) {
		k.Reset()
		w.WriteHeader(http.StatusNoContent)
	})

	return mux
}

func (k *Kit) serveStats(w http.ResponseWriter, _ *http.Request) {
	if k.vendor.Stats != nil {
		knobs.Answer(w, http.StatusOK, k.vendor.Stats())

		return
	}

	k.lock.Lock()
	defer k.lock.Unlock()

	k.Clock.Advance()
	knobs.Answer(w, http.StatusOK, k.Counts())
}

// knobsHandler serves the vendor's knobs, or the kit's alone.
func (k *Kit) knobsHandler() http.Handler {
	if k.vendor.Knobs != nil {
		return k.vendor.Knobs
	}

	get := func() Knobs {
		k.lock.Lock()
		defer k.lock.Unlock()

		return Knobs{LatencyMS: k.knobs.LatencyMS, Chaos: k.knobs.Chaos.Clone()}
	}

	return knobs.Serve(get, func(next Knobs) error {
		if err := errors.Join(knobs.CheckCounts(next), next.Chaos.Check(k.vendor.Faults())); err != nil {
			return err
		}

		k.lock.Lock()
		defer k.lock.Unlock()

		k.Tune(next)

		return nil
	})
}

func (k *Kit) postRule(w http.ResponseWriter, r *http.Request) {
	var in rules.Rule
	if !knobs.Read(w, r, &in) {
		return
	}

	id, err := k.AddRule(in)
	if err != nil {
		knobs.Refuse(w, http.StatusBadRequest, err)

		return
	}

	knobs.Answer(w, http.StatusCreated, map[string]int{"id": id})
}

func (k *Kit) releaseRule(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || id < 1 {
		knobs.Refuse(w, http.StatusBadRequest, errors.New("id: must be the number of a rule"))

		return
	}

	k.Release(id)
	w.WriteHeader(http.StatusNoContent)
}

func (k *Kit) postDelivery(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Event string          `json:"event"`
		Fault string          `json:"fault"`
		URL   string          `json:"url"`
		Body  json.RawMessage `json:"body"`
	}
	if !knobs.Read(w, r, &in) {
		return
	}

	if err := k.SendWebhook(in.Event, in.Fault, in.URL, in.Body); err != nil {
		knobs.Refuse(w, http.StatusNotFound, err)

		return
	}

	w.WriteHeader(http.StatusAccepted)
}

func (k *Kit) serveClock(w http.ResponseWriter, _ *http.Request) {
	knobs.Answer(w, http.StatusOK, map[string]time.Time{"now": k.Clock.Now()})
}

// moveClock sets the clock ahead. It never goes back: what has happened cannot be taken back.
func (k *Kit) moveClock(w http.ResponseWriter, r *http.Request) {
	var in struct {
		AdvanceMS int64  `json:"advance_ms"`
		Advance   string `json:"advance"` // such as "720h", beside or instead
	}
	if !knobs.Read(w, r, &in) {
		return
	}

	if in.Advance == "" {
		in.Advance = "0s"
	}

	more, err := time.ParseDuration(in.Advance)
	if err != nil || more < 0 || in.AdvanceMS < 0 {
		knobs.Refuse(w, http.StatusBadRequest, errors.New(`advance_ms, advance: must not be negative; advance is a duration such as "720h"`))

		return
	}

	k.Clock.Move(more + time.Duration(in.AdvanceMS)*time.Millisecond)
	k.serveClock(w, r)
}

// lastOf returns the end of a list, as long as the query says, the newest first; all of it in
// its order without a query.
func lastOf[T any](r *http.Request, list []T) []T {
	n, err := strconv.Atoi(r.URL.Query().Get("last"))
	if err != nil || n < 0 {
		return list
	}

	list = slices.Clone(list[max(0, len(list)-n):])
	slices.Reverse(list)

	return list
}
