package deliveries

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"imagerun/internal/simulators/kit/simclock"
)

const (
	maxUnderWay = 32     // tries at once
	maxKept     = 20_000 // deliveries remembered
	timeout     = 30 * time.Second
)

// Deps are what a courier needs of its simulator.
type Deps struct {
	Ctx          context.Context // ends with the simulator
	Lock         sync.Locker     // the simulator's
	Clock        *simclock.Clock
	UnderWay     *sync.WaitGroup // that the simulator waits for at its end
	Transport    http.RoundTripper
	AllowPrivate bool // private addresses and plain http
}

// Courier sends webhooks and remembers them. Unless its doc says otherwise, the caller of a method holds the
// simulator's lock.
type Courier struct {
	Deps

	policy   Policy
	client   *http.Client
	kept     []*Delivery
	crowded  []*Delivery // due, but too many are under way
	underWay int
	counts   Counts
}

// Counts are what happened to deliveries.
type Counts struct {
	Lost      int64 `json:"lost"`      // on purpose
	Doubled   int64 `json:"doubled"`   // on purpose
	Sent      int64 `json:"sent"`      // tries made
	Delivered int64 `json:"delivered"` // tries whose answer was accepted
}

// NewCourier makes one that delivers by a vendor's policy.
func NewCourier(d Deps, p Policy) *Courier {
	if p.Timeout == nil {
		p.Timeout = func(int) time.Duration { return timeout }
	}

	if p.Accepts == nil {
		p.Accepts = func(status int) bool { return status >= 200 && status < 300 }
	}

	if p.Retry == nil {
		p.Retry = After()
	}

	return &Courier{Deps: d, policy: p, client: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     d.Transport,
	}}
}

// Policy is what the courier delivers by. It needs no lock.
func (c *Courier) Policy() Policy { return c.policy }

// Counts returns the counts.
func (c *Courier) Counts() Counts { return c.counts }

// List returns the deliveries, the oldest first.
func (c *Courier) List() []Delivery {
	out := make([]Delivery, 0, len(c.kept))
	for _, d := range c.kept {
		out = append(out, *d)
	}

	return out
}

// Clear forgets every delivery. Tries under way come to their end.
func (c *Courier) Clear() { c.kept, c.crowded, c.counts = nil, nil, Counts{} }

// Plan has a delivery sent when the clock passes its hour.
func (c *Courier) Plan(d *Delivery, due time.Time) {
	d.State, d.Due = Waiting, due
	c.keepDelivery(d)
	c.Clock.At(due, func() { c.startTry(d) })
}

func (c *Courier) keepDelivery(d *Delivery) {
	if len(c.kept) >= maxKept {
		c.kept = slices.Delete(c.kept, 0, maxKept/10)
	}

	c.kept = append(c.kept, d)
}

// startTry makes one try in the background, or leaves it to the next that is done.
func (c *Courier) startTry(d *Delivery) {
	if c.Ctx.Err() != nil {
		return
	}

	if c.underWay >= maxUnderWay {
		c.crowded = append(c.crowded, d)

		return
	}

	c.underWay++
	d.State = Sending
	d.Tries++
	c.counts.Sent++
	req, err := c.signRequest(d)
	limit := c.policy.Timeout(d.Tries)

	c.UnderWay.Go(func() {
		code := 0
		if err == nil {
			code, err = c.sendRequest(req, limit)
		}

		c.Lock.Lock()
		defer c.Lock.Unlock()

		c.underWay--
		c.recordTry(d, code, err)

		if len(c.crowded) > 0 {
			next := c.crowded[0]
			c.crowded = c.crowded[1:]
			c.startTry(next)
		}

		c.Clock.Advance()
	})
}

// signRequest makes the request of one try.
func (c *Courier) signRequest(d *Delivery) (*http.Request, error) {
	if err := checkTarget(d.URL, c.AllowPrivate); err != nil {
		return nil, err
	}

	header, body := c.policy.Sign(d)
	if change := c.policy.findFault(d.Fault).Header; change != nil {
		change(header)
	}

	req, err := http.NewRequestWithContext(c.Ctx, http.MethodPost, d.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errPrivateTarget
	}

	req.Header = header

	return req, nil
}

// sendRequest needs no lock.
func (c *Courier) sendRequest(req *http.Request, limit time.Duration) (int, error) {
	ctx, cancel := context.WithTimeout(req.Context(), limit)
	defer cancel()

	res, err := c.client.Do(req.WithContext(ctx)) //nolint:gosec // the caller's own address, as the vendor
	if err != nil {
		return 0, err
	}

	return res.StatusCode, res.Body.Close()
}

// recordTry writes down how a try ended: what the policy accepts is delivered, a private target is dropped, and of
// anything else the policy says whether it is tried again.
func (c *Courier) recordTry(d *Delivery, code int, err error) {
	d.Status, d.Error = code, ""
	if err != nil {
		d.Error = err.Error()
	}

	wait, again := c.policy.Retry(d)
	next := c.Clock.Now().Add(wait)

	switch {
	// The target leads inside: it is dropped for good.
	case errors.Is(err, errPrivateTarget):
		d.State = Dropped
	// The policy takes the answer as a delivery.
	case c.policy.Accepts(code):
		d.State = Delivered
		c.counts.Delivered++
	// The policy has had enough, or the next try would come too late.
	case !again, !d.Until.IsZero() && next.After(d.Until):
		d.State = Failed
	// It is tried again.
	default:
		d.State, d.Due = Waiting, next
		c.Clock.At(next, func() { c.startTry(d) })
	}
}
