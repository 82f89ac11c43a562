package outbound

import (
	"bytes"
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"

	"github.com/sony/gobreaker/v2"
)

// Options set a client up.
type Options struct {
	// Vendor is the label of its metrics: "fal".
	Vendor string
	// Timeout bounds one call, all of its reply included. Zero: 15 s.
	Timeout time.Duration
	// IdleTimeout ends a call during which nothing arrives for so long. Zero: only Timeout does.
	IdleTimeout time.Duration
	// PublicOnly refuses private, loopback and other special addresses. It is for addresses that a caller or a vendor chose.
	PublicOnly bool
	// BreakAfter is after how many failures in a row calls are refused for BreakFor, whereupon one may try. Each process
	// counts by itself. Zero: never.
	BreakAfter uint32
	// BreakFor is how long. Zero: 30 s.
	BreakFor time.Duration
	// Metrics count the calls. Nil: nothing does.
	Metrics *Metrics
}

// Client calls one vendor. It is safe for concurrent use.
type Client struct {
	o       Options
	http    *http.Client
	breaker *gobreaker.CircuitBreaker[Reply] // nil: none
}

// New makes a client. It dials nothing.
func New(o Options) *Client {
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}

	if o.BreakFor == 0 {
		o.BreakFor = 30 * time.Second
	}

	dialer := &net.Dialer{Timeout: min(o.Timeout, 10*time.Second)}
	if o.PublicOnly {
		dialer.Control = publicOnly()
	}

	return &Client{o: o, breaker: newBreaker(o), http: &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:           dialer.DialContext, // and no proxy, which would resolve names for itself
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          100,
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		},
	}}
}

// Close ends the idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call is one request.
type Call struct {
	// Operation is the label of its metrics, from a short list of the vendor's client: "submit".
	Operation string
	Method    string
	URL       string
	Header    http.Header
	Body      []byte
	// JSON asks for a reply in JSON, and says so of the body.
	JSON bool
	// MaxReply bounds the reply, in bytes. Zero: 8 MiB.
	MaxReply int64
	// OnlyOK leaves the body of an answer other than 200 unread.
	OnlyOK bool
}

// Do makes one attempt and returns the whole answer, whatever its status. Its error is an [Error].
func (c *Client) Do(ctx context.Context, call Call) (re Reply, err error) {
	began := time.Now()

	defer func() { c.o.Metrics.observeCall(c.o.Vendor, call.Operation, outcomeOf(re, err), time.Since(began)) }()

	return c.throughBreaker(func() (Reply, error) { return c.sendCall(ctx, call) })
}

func (c *Client) sendCall(ctx context.Context, call Call) (Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	alive := func() {}

	if c.o.IdleTimeout > 0 {
		idle := time.AfterFunc(c.o.IdleTimeout, func() { stop(ErrStalled) })
		defer idle.Stop()

		alive = func() { idle.Reset(c.o.IdleTimeout) }
	}

	// Having a connection is all that can be known: what was written to it may have arrived.
	var connected atomic.Bool

	req, err := newRequest(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	}), call)
	if err != nil {
		return Reply{}, &Error{Sent: NotSent, cause: ErrAddress}
	}

	res, err := c.http.Do(req)

	switch {
	case err != nil && connected.Load():
		return Reply{}, &Error{Sent: MayHaveHappened, cause: causeOf(ctx, err)}
	case err != nil:
		return Reply{}, &Error{Sent: NotSent, cause: causeOf(ctx, err)}
	}

	defer func() { _ = res.Body.Close() }()

	re := Reply{Status: res.StatusCode, Header: res.Header}
	if call.OnlyOK && re.Status != http.StatusOK {
		return re, nil
	}

	if re.Body, err = readBody(res, call.MaxReply, alive); err != nil {
		return Reply{}, &Error{Sent: MayHaveHappened, Status: re.Status, cause: causeOf(ctx, err)}
	}

	return re, nil
}

func newRequest(ctx context.Context, call Call) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, call.Method, call.URL, bytes.NewReader(call.Body))
	if err != nil {
		return nil, err
	}

	if call.Header != nil {
		req.Header = call.Header.Clone()
	}

	if call.JSON {
		req.Header.Set("Accept", "application/json")

		if len(call.Body) > 0 {
			req.Header.Set("Content-Type", "application/json")
		}
	}

	return req, nil
}

// causeOf tells a stall of ours from what it looks like to net/http.
func causeOf(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), ErrStalled) {
		return ErrStalled
	}

	return scrubURL(err)
}
