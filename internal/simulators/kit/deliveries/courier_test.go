package deliveries_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/kit/deliveries"
	"imagerun/internal/simulators/kit/simclock"
)

type bundle struct {
	t       *testing.T
	mu      sync.Mutex
	clock   *simclock.Clock
	courier *deliveries.Courier
}

func setup(t *testing.T, allowPrivate bool, change ...func(*deliveries.Policy)) *bundle {
	t.Helper()

	b := &bundle{t: t}
	start := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	transport := deliveries.NewTransport(allowPrivate)
	underWay := &sync.WaitGroup{}

	b.clock = simclock.New(&b.mu, func() time.Time { return start }, nil)
	policy := deliveries.Policy{
		Sign:    func(d *deliveries.Delivery) (http.Header, []byte) { return http.Header{"X-Signed": {d.Event}}, d.Body },
		Timeout: func(int) time.Duration { return 10 * time.Second },
		Retry:   deliveries.After(30*time.Second, 5*time.Minute),
		Faults: []deliveries.Fault{
			{Name: "cut", Body: func(body []byte) []byte { return body[:1] }},
			{Name: "unsigned", Header: func(h http.Header) { h.Del("X-Signed") }},
		},
	}

	for _, c := range change {
		c(&policy)
	}

	b.courier = deliveries.NewCourier(deliveries.Deps{
		Ctx: t.Context(), Lock: &b.mu, Clock: b.clock, UnderWay: underWay, Transport: transport, AllowPrivate: allowPrivate,
	}, policy)

	t.Cleanup(func() {
		b.locked(b.clock.Stop)
		underWay.Wait()
		transport.CloseIdleConnections()
	})

	return b
}

func (b *bundle) locked(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()

	do()
}

// states waits until the deliveries are in these states, and returns the last of them.
func (b *bundle) states(want ...string) (last deliveries.Delivery) {
	b.t.Helper()

	require.Eventually(b.t, func() bool {
		var got []string

		b.locked(func() {
			for _, d := range b.courier.List() {
				got, last = append(got, d.State), d
			}
		})

		return slices.Equal(got, want)
	}, 10*time.Second, time.Millisecond)

	return last
}

// receiver answers each post with the next of the statuses, and with 200 when there is none.
func receiver(t *testing.T, statuses ...int) (address string, bodies chan string) {
	t.Helper()

	bodies = make(chan string, 100)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		status := http.StatusOK

		if n := len(bodies); n < len(statuses) {
			status = statuses[n]
		}

		bodies <- r.Header.Get("X-Signed") + " " + string(body)
		w.WriteHeader(status)
	}))
	t.Cleanup(server.Close)

	return server.URL, bodies
}

func TestCourier_TriesAgainByTheVendorsSchedule(t *testing.T) {
	t.Parallel()

	b := setup(t, true)
	address, bodies := receiver(t, 500, 503, 302)
	start := b.clock.Now()

	b.locked(func() { b.courier.Plan(&deliveries.Delivery{Event: "evt_1", URL: address, Body: []byte("{}")}, start) })
	b.clock.Tick()

	for try, wait := range []time.Duration{30 * time.Second, 5 * time.Minute} {
		require.Eventually(t, func() bool { return len(bodies) == try+1 }, 10*time.Second, time.Millisecond)
		require.Equal(t, b.clock.Now().Add(wait), b.states(deliveries.Waiting).Due)
		b.clock.Move(wait - time.Second)
		require.Len(t, bodies, try+1, "it is not due yet")
		b.clock.Move(time.Second)
	}

	last := b.states(deliveries.Failed)
	require.Equal(t, []int{3, 302}, []int{last.Tries, last.Status}, "the schedule is at its end")
	require.Equal(t, deliveries.Counts{Sent: 3}, b.courier.Counts())
	require.Equal(t, "evt_1 {}", <-bodies)
}

func TestCourier_SpoilsAsItsTableSays(t *testing.T) {
	t.Parallel()

	b := setup(t, true)
	address, bodies := receiver(t)
	whole := "evt {}"

	for name, want := range map[string][]string{
		"lost": nil, "late": nil, "doubled": {whole, whole}, "storm": slices.Repeat([]string{whole}, 20), "cut": {"evt {"}, "unsigned": {" {}"},
	} {
		b.locked(func() {
			b.courier.PlanSpoiled(&deliveries.Delivery{Event: "evt", URL: address, Body: []byte("{}")}, b.clock.Now(), name, time.Second)
		})
		b.clock.Tick()

		for _, body := range want {
			require.Equal(t, body, <-bodies, name)
		}

		require.Empty(t, bodies, name)
	}

	b.clock.Move(10 * time.Second)
	require.Equal(t, whole, <-bodies, "the late one")
	require.Equal(t, []string{"cut", "unsigned"}, b.courier.Policy().Names())
	require.Len(t, b.courier.Policy().Table(), 6)
}

func TestCourier_SendsNothingInside(t *testing.T) {
	t.Parallel()

	b := setup(t, false)
	address, bodies := receiver(t)

	for _, target := range []string{address, "https" + address[len("http"):], "ftp://example.com", "no address"} {
		b.locked(func() { b.courier.Plan(&deliveries.Delivery{URL: target}, b.clock.Now()) })
	}

	b.clock.Tick()
	b.states(deliveries.Dropped, deliveries.Dropped, deliveries.Dropped, deliveries.Dropped)
	require.Empty(t, bodies)
}

func TestCourier_AsksThePolicyWhatIsADelivery(t *testing.T) {
	t.Parallel()

	strict := func(p *deliveries.Policy) { p.Accepts = func(status int) bool { return status == http.StatusOK } }

	for want, b := range map[string]*bundle{deliveries.Delivered: setup(t, true), deliveries.Waiting: setup(t, true, strict)} {
		address, _ := receiver(t, http.StatusNoContent)
		b.locked(func() {
			b.courier.Plan(&deliveries.Delivery{Event: "evt", URL: address, Body: []byte("{}")}, b.clock.Now())
		})
		b.clock.Tick()
		require.Equal(t, http.StatusNoContent, b.states(want).Status)
	}
}
