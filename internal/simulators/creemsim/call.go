package creemsim

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"imagerun/internal/simulators/kit"
	"imagerun/internal/simulators/kit/knobs"
)

const headerKey = "X-Api-Key"

// object is a JSON object of Creem's.
type object = map[string]any

// modeTest is the mode that every object names.
const modeTest = "test"

// call is one call of the API, with its key checked.
type call struct {
	r    *http.Request
	body []byte
	now  time.Time
}

// readQuery returns one parameter.
func (c *call) readQuery(name string) string { return c.r.URL.Query().Get(name) }

// readBody takes a JSON body in. Fields that are not known are ignored, as the SDK sends some; an empty body is
// none.
func (c *call) readBody(into any) error {
	if len(c.body) == 0 {
		return nil
	}

	err := json.Unmarshal(c.body, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return badRequest(wrong.Field + " must be a " + wrong.Type.String())
	}

	if err != nil {
		return badRequest("the body is no JSON")
	}

	return nil
}

// serveAPI serves one operation of the API: with the key checked, the lock held and everything that is due done
// before. What it returns is the answer, a [created] with 201; an error is a *problem.
func (s *Sim) serveAPI(route string, do func(c *call) (any, error)) http.Handler {
	return s.On(route, func(w http.ResponseWriter, r *http.Request, body []byte) {
		s.mu.Lock()
		defer s.mu.Unlock()

		s.Clock.Advance()

		if _, standing := s.gate.Check(r); standing != kit.Known {
			s.refuseCall(w, &problem{status: http.StatusForbidden, title: "Forbidden"})

			return
		}

		s.count.Calls++

		if isNth(s.count.Calls, s.knobs.LimitEveryNth) {
			s.refuseCall(w, &problem{status: http.StatusTooManyRequests, title: "Too Many Requests"})

			return
		}

		answer, err := do(&call{r: r, body: body, now: s.Clock.Now()})
		if err != nil {
			s.refuseCall(w, err)

			return
		}

		if s.knobs.Bodies == BodiesDocumented {
			documentObjects(answer)
		}

		if made, is := answer.(created); is {
			maps.Copy(w.Header(), made.header)
			knobs.Answer(w, http.StatusCreated, made.body)
		} else {
			knobs.Answer(w, http.StatusOK, answer)
		}

		s.Clock.Advance() // what the call caused at once, such as its webhooks
	})
}

// created is an answer with 201, which the endpoints for credits give.
type created struct {
	body   object
	header http.Header // beside the usual
}

// listPage is one page of a list, of which all are given in the order of the answer. There is no greatest size
// of a page: the SDK takes one that is shorter than it asked for as the last.
func listPage[T any](c *call, defaultSize int, all []T, render func(T) object) (any, error) {
	number, size := 1, defaultSize

	for name, value := range map[string]*int{"page_number": &number, "page_size": &size} {
		text := c.readQuery(name)
		if text == "" {
			continue
		}

		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > math.MaxInt32 {
			return nil, badRequest(name + " must not be less than 1")
		}

		*value = n
	}

	from, to := min((number-1)*size, len(all)), min(number*size, len(all))
	items := make([]object, 0, to-from)

	for _, one := range all[from:to] {
		items = append(items, render(one))
	}

	pages := (len(all) + size - 1) / size
	out := object{"total_records": len(all), "total_pages": pages, "current_page": number, "next_page": nil, "prev_page": nil}

	if number < pages {
		out["next_page"] = number + 1
	}

	if number > 1 {
		out["prev_page"] = number - 1
	}

	return object{"items": items, "pagination": out}, nil
}

// newID makes an id as Creem's look: a word and 22 letters and digits. The caller holds mu.
func (s *Sim) newID(word string) string {
	const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

	var b strings.Builder

	b.WriteString(word + "_")

	for range 22 {
		b.WriteByte(letters[s.Rand().IntN(len(letters))])
	}

	return b.String()
}

// isNth reports whether the nth one is to misbehave.
func isNth(n int64, nth int) bool { return nth > 0 && n%int64(nth) == 0 }

// formatTime writes a time as products, customers, orders and subscriptions have it.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
