package creemsim_test

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

	"imagerun/internal/simulators/creemsim"
)

const (
	testKey    = "creem_test_key"
	testSecret = "whsec_test"

	pack    = "prod_pack"
	monthly = "prod_monthly"
	dearer  = "prod_dearer"
	yearly  = "prod_yearly"
	trial   = "prod_trial"
)

func testProducts() []creemsim.Product {
	plan := func(id string, price int64, period string) creemsim.Product {
		return creemsim.Product{ID: id, Name: id, Description: "A plan", Price: price, BillingType: creemsim.BillingRecurring, BillingPeriod: period}
	}
	tried := plan(trial, 1100, "every-month")
	tried.TrialDays = 7

	return []creemsim.Product{
		{ID: pack, Name: "Pack", Description: "500 credits", Price: 1000},
		plan(monthly, 1000, "every-month"), plan(dearer, 3000, "every-month"), plan(yearly, 10_000, "every-year"), tried,
	}
}

// hands is a clock that only moves when told.
type hands struct {
	mu sync.Mutex
	t  time.Time
}

func (h *hands) Now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.t
}

type bundle struct {
	t         *testing.T
	sim       *creemsim.Sim
	url, hook string

	mu      sync.Mutex
	posts   []post
	refuses []int // statuses for the next deliveries
}

// post is a delivery that came.
type post struct {
	header http.Header
	raw    []byte
	event  struct {
		ID        string         `json:"id"`
		Type      string         `json:"eventType"`
		CreatedAt int64          `json:"created_at"`
		Object    map[string]any `json:"object"`
	}
}

// setup serves a simulator whose webhooks come back to the test. Its clock stands at the last day of January.
func setup(t *testing.T, o creemsim.Options) *bundle {
	t.Helper()

	b := &bundle{t: t}
	hook := httptest.NewServer(http.HandlerFunc(b.takeDelivery))
	clock := &hands{t: time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)}

	o.APIKey, o.WebhookSecret, o.WebhookURL, o.Products = testKey, testSecret, hook.URL, testProducts()
	o.Seed, o.Now, o.AllowPrivateCallbacks = 1, clock.Now, true
	b.sim = creemsim.New(o)

	server := httptest.NewServer(b.sim.Handler())
	b.url, b.hook = server.URL, hook.URL

	t.Cleanup(func() {
		b.sim.Close()
		server.Close()
		hook.Close()
	})

	return b
}

func (b *bundle) takeDelivery(w http.ResponseWriter, r *http.Request) {
	p := post{header: r.Header}
	p.raw, _ = io.ReadAll(r.Body)
	_ = json.Unmarshal(p.raw, &p.event)

	b.mu.Lock()
	defer b.mu.Unlock()

	b.posts = append(b.posts, p)

	if len(b.refuses) > 0 {
		w.WriteHeader(b.refuses[0])
		b.refuses = b.refuses[1:]
	}
}

// await returns all deliveries once so many have come, by the order in which they happened.
func (b *bundle) await(n int) []post {
	b.t.Helper()

	var got []post

	require.Eventually(b.t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()

		got = append([]post{}, b.posts...)

		return len(got) >= n
	}, 10*time.Second, time.Millisecond)
	require.Len(b.t, got, n)

	return got
}

// told lists the types of the events, from one on.
func (b *bundle) told(from int) []string {
	types := []string{}
	for _, e := range b.sim.Events()[from:] {
		types = append(types, e.Type)
	}

	return types
}

type reply struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (b *bundle) do(method, path, body string, header ...string) reply {
	b.t.Helper()

	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(body))
	require.NoError(b.t, err)
	req.Header.Set("x-api-key", testKey)

	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}

	res, err := http.DefaultTransport.RoundTrip(req)
	require.NoError(b.t, err)

	defer res.Body.Close()

	raw, err := io.ReadAll(res.Body)
	require.NoError(b.t, err)

	out := reply{status: res.StatusCode, header: res.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &out.body)

	return out
}

// get returns the body of a call that must go well.
func (b *bundle) get(method, path, body string) map[string]any {
	b.t.Helper()

	r := b.do(method, path, body)
	require.Equal(b.t, http.StatusOK, r.status, r.raw)

	return r.body
}

// checkout makes one and returns its id.
func (b *bundle) checkout(product, members string) string {
	b.t.Helper()

	return text(b.get("POST", "/v1/checkouts", `{"product_id":"`+product+`"`+members+`}`), "id")
}

// buy pays for a product.
func (b *bundle) buy(product string) creemsim.Paid {
	b.t.Helper()

	paid, err := b.sim.PayCheckout(b.checkout(product, `,"request_id":"req_1","metadata":{"user_id":"usr_1"}`))
	require.NoError(b.t, err)

	return paid
}

func (b *bundle) subscription(id string) map[string]any {
	b.t.Helper()

	return b.get("GET", "/v1/subscriptions?subscription_id="+id, "")
}

func (b *bundle) move(d time.Duration) { b.sim.Clock.Move(d) }

// text finds a member of nested objects.
func text(in map[string]any, path ...string) string {
	for _, name := range path[:len(path)-1] {
		in, _ = in[name].(map[string]any)
	}

	s, _ := in[path[len(path)-1]].(string)

	return s
}

func items(in map[string]any) []map[string]any {
	list, _ := in["items"].([]any)
	out := make([]map[string]any, 0, len(list))

	for _, one := range list {
		item, _ := one.(map[string]any)
		out = append(out, item)
	}

	return out
}

const day = 24 * time.Hour
