package kit_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/kit"
	"imagerun/internal/simulators/kit/calllog"
	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/rules"
)

// shop is a simulator that has next to nothing of its own: it takes orders, and tells of each.
type shop struct {
	*kit.Kit

	mu     sync.Mutex
	orders map[string]string // where to tell of them
}

func newShop() *shop {
	s := &shop{orders: map[string]string{}}
	s.Kit = kit.New(&s.mu, kit.Options{Seed: 1, AllowPrivateCallbacks: true, Now: func() time.Time { return noon }}, kit.Vendor{
		Name: "shopsim", Routes: []string{"order"}, Secrets: []string{"X-Api-Key"},
		Deliveries: deliveries.Policy{
			Sign: func(d *deliveries.Delivery) (http.Header, []byte) {
				return http.Header{"X-Signature": {d.Event}}, d.Body
			},
			Timeout: func(int) time.Duration { return 10 * time.Second },
			Retry:   deliveries.After(30*time.Second, 5*time.Minute, 30*time.Minute, 6*time.Hour),
		},
		Reset: func() { s.orders = map[string]string{} },
	})

	return s
}

// order is the shop's one operation.
func (s *shop) order(w http.ResponseWriter, r *http.Request, _ []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()

	id := s.NewID()
	s.orders[id] = r.URL.Query().Get("webhook")
	s.Deliver(&deliveries.Delivery{Event: id, URL: s.orders[id], Body: []byte(`{}`)}, s.Clock.Now())
	s.Clock.Advance()
	_, _ = io.WriteString(w, `{"id":"`+id+`"}`)
}

var noon = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

type bundle struct {
	t                  *testing.T
	shop               *shop
	url, control, hook string
	posts              chan string // signatures of the webhooks that came
	refuse             chan int    // statuses for the next of them
}

func setup(t *testing.T) *bundle {
	t.Helper()

	b := &bundle{t: t, shop: newShop(), posts: make(chan string, 10), refuse: make(chan int, 10)}
	serve := func(h http.Handler) string {
		server := httptest.NewServer(h)
		t.Cleanup(server.Close)

		return server.URL
	}

	b.url, b.control = serve(b.shop.On("order", b.shop.order)), serve(b.shop.Control())
	b.hook = serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.posts <- r.Header.Get("X-Signature")

		select {
		case status := <-b.refuse:
			w.WriteHeader(status)
		default:
		}
	}))
	t.Cleanup(b.shop.Close) // before the servers

	return b
}

// do makes a call and returns its status, 0 if it was cut, and its body.
func (b *bundle) do(method, url, body string) (int, string) {
	b.t.Helper()

	req, err := http.NewRequestWithContext(b.t.Context(), method, url, strings.NewReader(body))
	require.NoError(b.t, err)
	req.Header.Set("X-Api-Key", "secret")

	transport := &http.Transport{DisableKeepAlives: true}

	res, err := transport.RoundTrip(req)
	if err != nil {
		return 0, ""
	}
	defer res.Body.Close()

	text, _ := io.ReadAll(res.Body)

	return res.StatusCode, string(text)
}

func (b *bundle) ordered() int {
	b.shop.mu.Lock()
	defer b.shop.mu.Unlock()

	return len(b.shop.orders)
}

// state waits until the first delivery is in a state.
func (b *bundle) state(want string) {
	b.t.Helper()
	require.Eventually(b.t, func() bool { return b.shop.Deliveries()[0].State == want }, 10*time.Second, time.Millisecond)
}

func TestKit_MakesASimulator(t *testing.T) {
	t.Parallel()

	b := setup(t)
	order := func() int { status, _ := b.do("POST", b.url+"?webhook="+b.hook, ""); return status }

	// A rule: it failed and did not happen; it failed but did happen.
	for action, orders := range map[string]int{rules.ActDrop: 0, rules.ActLose: 1} {
		before := b.ordered()
		_, err := b.shop.AddRule(rules.Rule{Route: "order", Action: action})
		require.NoError(t, err)
		require.Zero(t, order())
		require.Equal(t, before+orders, b.ordered(), action)
	}

	<-b.posts
	b.state(deliveries.Delivered)

	// Chaos, turned by the control surface and counted by kind.
	status, _ := b.do("PUT", b.control+"/_control/knobs", `{"chaos":{"share":1,"only":["order/http_503"]}}`)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, http.StatusServiceUnavailable, order())

	_, stats := b.do("GET", b.control+"/_control/stats", "")
	require.JSONEq(t, `{"calls":{"order":3},"considered":1,"deliveries":{"delivered":1,"doubled":0,"lost":0,"sent":1},"faults":{"order/http_503":1}}`, stats)

	// A delivery that is refused comes again when the clock was moved.
	status, _ = b.do("POST", b.control+"/_control/reset", "")
	require.Equal(t, http.StatusNoContent, status)

	b.refuse <- http.StatusBadGateway
	require.Equal(t, http.StatusOK, order())

	first := <-b.posts
	b.state(deliveries.Waiting)

	_, now := b.do("POST", b.control+"/_control/clock", `{"advance_ms":30000}`)
	require.JSONEq(t, `{"now":"2026-11-01T12:00:30Z"}`, now)
	require.Equal(t, first, <-b.posts)
	b.state(deliveries.Delivered)

	_, now = b.do("POST", b.control+"/_control/clock", `{"advance":"720h"}`)
	require.JSONEq(t, `{"now":"2026-12-01T12:00:30Z"}`, now)

	// The page.
	_, page := b.do("GET", b.control+"/", "")
	require.Contains(t, page, "<h1>shopsim, the control surface</h1>")
	require.Contains(t, page, "<code>order</code>")
}

func TestControl_RefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()

	b := setup(t)

	for _, slip := range []struct{ method, path, body string }{
		{"PUT", "knobs", `{"latenzy_ms":1}`},
		{"PUT", "knobs", `{"latency_ms":-1}`},
		{"PUT", "knobs", `{"chaos":{"share":1.5}}`},
		{"PUT", "knobs", `{"chaos":{"only":["nowhere"]}}`},
		{"POST", "rules", `{"route":"nowhere","action":"drop"}`},
		{"POST", "rules", `{"route":"order","action":"drop","tmes":2}`},
		{"POST", "rules/first/release", ``},
		{"POST", "clock", `{"advance_ms":-1}`},
		{"POST", "clock", `{"advance":"-1h"}`},
		{"POST", "clock", `{"advance":"soon"}`},
		{"POST", "deliveries", `{"evnt":"x"}`},
	} {
		status, body := b.do(slip.method, b.control+"/_control/"+slip.path, slip.body)
		require.Equal(t, http.StatusBadRequest, status, slip)
		require.Contains(t, body, `"error"`)
	}

	status, _ := b.do("POST", b.control+"/_control/deliveries", `{"event":"unknown"}`)
	require.Equal(t, http.StatusNotFound, status)
}

// A vendor needs a name and its routes, and no more.
func TestKit_NeedsLittle(t *testing.T) {
	t.Parallel()

	var mu sync.Mutex

	k := kit.New(&mu, kit.Options{}, kit.Vendor{Name: "quietsim", Routes: []string{"ping"}})
	defer k.Close()

	w := httptest.NewRecorder()
	k.On("ping", func(w http.ResponseWriter, _ *http.Request, body []byte) { _, _ = w.Write(body) })(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("hello")))
	require.Equal(t, "hello", w.Body.String())

	require.ErrorContains(t, k.SendWebhook("x", "", "http://localhost", []byte("{}")), "no webhooks")

	for _, path := range []string{"", "_control/requests", "_control/stats", "_control/faults", "_control/knobs", "_control/rules", "_control/deliveries", "_control/clock"} {
		w := httptest.NewRecorder()
		k.Control().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+path, nil))
		require.Equal(t, http.StatusOK, w.Code, path)
		require.NotContains(t, w.Body.String(), "webhook/", path)
	}

	k.Reset()
	require.Empty(t, k.Requests(""))
}

func TestLog_MasksSecrets(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.do("POST", b.url, `{"of":"a fox"}`)

	_, text := b.do("GET", b.control+"/_control/requests?route=order&last=1", "")
	require.NotContains(t, text, "secret")

	var calls []calllog.Received
	require.NoError(t, json.Unmarshal([]byte(text), &calls))
	require.Len(t, calls, 1)
	require.JSONEq(t, `{"of":"a fox"}`, calls[0].Body)
	require.Equal(t, []string{"[masked]"}, calls[0].Header["X-Api-Key"])
	require.Equal(t, http.StatusOK, calls[0].Status)
}

func TestCredential_TellsWhatAKeyIsWorth(t *testing.T) {
	t.Parallel()

	c := kit.Credential{Header: "Authorization", Scheme: "Key ", Keys: []string{"id:secret", ""}}

	for given, want := range map[string]kit.Standing{
		"": kit.Anonymous, "Bearer id:secret": kit.Malformed, "Key id:other": kit.Unknown, "Key ": kit.Unknown, "Key id:secret": kit.Known,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		if given != "" {
			r.Header.Set("Authorization", given)
		}

		_, standing := c.Check(r)
		require.Equal(t, want, standing, given)
	}
}
