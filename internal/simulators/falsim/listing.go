package falsim

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxFound  = 100    // requests on a page
	maxBilled = 10_000 // billing events on a page
	maxNamed  = 50     // requests that may be named
)

// listing is what the lists of the platform API share: a span of time by the simulator's own
// clock, filters (empty: everything) and a page. https://docs.fal.ai/platform-apis (read 2026-11)
type listing struct {
	start, end  time.Time
	page, limit int
	endpoints   []string
	requests    []string
	status      string
	expand      []string
}

// readListing reads a query. It reports false when fal would refuse it.
func (s *Sim) readListing(r *http.Request, maxRows int) (listing, bool) {
	q, k := r.URL.Query(), s.Knobs()
	skew := k.clockSkew()
	now := s.Clock.Now().Add(skew)
	start, errStart := parseTime(q.Get("start"), now.Add(-24*time.Hour))
	end, errEnd := parseTime(q.Get("end"), now.Add(1)) // what is of now belongs to it
	l := listing{
		start: start.Add(-skew), end: end.Add(-skew), limit: min(50, maxRows), status: q.Get("status"),
		endpoints: splitNames(q["endpoint_id"]), requests: splitNames(q["request_id"]), expand: splitNames(q["expand"]),
	}

	if v := q.Get("limit"); v != "" {
		l.limit, _ = strconv.Atoi(v)
	}

	if raw, err := base64.StdEncoding.DecodeString(q.Get("cursor")); err == nil {
		l.page, _ = strconv.Atoi(string(raw))
	}

	return l, errStart == nil && errEnd == nil && l.limit >= 1 && l.limit <= maxRows && l.page >= 0 && len(l.requests) <= maxNamed
}

func (l listing) namesRequest(r *request) bool {
	return (len(l.endpoints) == 0 || slices.Contains(l.endpoints, r.endpoint)) && (len(l.requests) == 0 || slices.Contains(l.requests, r.id))
}

// pageOf is one page of a list, under the list's own name.
func pageOf[T any](l listing, name string, all []T, row func(T) map[string]any) map[string]any {
	from, to := min(l.page*l.limit, len(all)), min((l.page+1)*l.limit, len(all))
	rows := make([]map[string]any, 0, to-from)

	for _, one := range all[from:to] {
		rows = append(rows, row(one))
	}

	out := map[string]any{name: rows, "next_cursor": nil, "has_more": to < len(all)}
	if to < len(all) {
		out["next_cursor"] = base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(l.page + 1)))
	}

	return out
}

// splitNames reads a parameter that may come several times, and with commas.
func splitNames(values []string) []string {
	return slices.DeleteFunc(strings.Split(strings.Join(values, ","), ","), func(v string) bool { return v == "" })
}

func parseTime(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}

	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}

	return time.Parse(time.RFC3339, text)
}

func formatTime(t time.Time, skew time.Duration) any {
	if t.IsZero() {
		return nil
	}

	return t.Add(skew).UTC().Format(time.RFC3339Nano)
}
