package fal

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"imagerun/internal/providers"
	"imagerun/internal/redact"
)

// Options set the client up. Only Key is needed to speak to fal itself.
type Options struct {
	// Key is the whole of fal's key, "<id>:<secret>".
	Key redact.Secret
	// AdminKey is a key with the ADMIN scope, which Erase and BillingEvents need. Zero: Key.
	AdminKey redact.Secret
	// QueueURL is the queue host. Empty: "https://queue.fal.run".
	QueueURL string
	// APIURL is the platform API with its version. Empty: "https://api.fal.ai/v1".
	APIURL string
	// MediaHosts are the hosts that results may be downloaded from, each with all its
	// subdomains: "fal.media", or "127.0.0.1:8080" with a port. Empty: fal's own.
	MediaHosts []string
	// AllowPrivateMedia permits downloads from private and loopback addresses, by plain http,
	// and from any port of a host that was listed without one. For development only.
	AllowPrivateMedia bool
	// Timeout bounds one call, all of its reply included. Zero: 15 s.
	Timeout time.Duration
	// DownloadTimeout bounds one download. Zero: 2 min.
	DownloadTimeout time.Duration
	// IdleTimeout ends a download during which nothing arrives for so long. Zero: 15 s.
	IdleTimeout time.Duration
}

// maxReply bounds an answer of the API: results are a kilobyte or two.
const maxReply = 8 << 20

// Client is fal.ai as a [providers.Provider]. It is safe for concurrent use.
type Client struct {
	o     Options
	api   *http.Client
	media *http.Client
}

var _ providers.Provider = (*Client)(nil)

// New makes a client. It dials nothing.
func New(o Options) *Client {
	or := func(s *string, otherwise string) {
		if *s = strings.TrimRight(*s, "/"); *s == "" {
			*s = otherwise
		}
	}
	or(&o.QueueURL, "https://queue.fal.run")
	or(&o.APIURL, "https://api.fal.ai/v1")

	wait := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	if o.AdminKey.IsZero() {
		o.AdminKey = o.Key
	}

	wait(&o.Timeout, 15*time.Second)
	wait(&o.DownloadTimeout, 2*time.Minute)
	wait(&o.IdleTimeout, 15*time.Second)

	// fal's documentation shows results on both.
	if len(o.MediaHosts) == 0 {
		o.MediaHosts = []string{"fal.media", "storage.googleapis.com"}
	}

	dial := &net.Dialer{Timeout: 10 * time.Second}
	guarded := &net.Dialer{Timeout: 10 * time.Second}

	if !o.AllowPrivateMedia {
		guarded.Control = refusePrivate
	}

	return &Client{o: o, api: httpClient(dial), media: httpClient(guarded)}
}

// httpClient follows no redirect, and uses no proxy: a proxy would resolve names for itself.
func httpClient(dial *net.Dialer) *http.Client {
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:           dial.DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          100,
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		},
	}
}

// Close ends the idle connections.
func (c *Client) Close() {
	c.api.CloseIdleConnections()
	c.media.CloseIdleConnections()
}

// reply is a complete answer.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (re reply) ok() bool { return re.status >= 200 && re.status < 300 }

// call makes one request with the key, unless header has another. Target is below one of the configured URLs. When there
// is no complete answer, sent tells whether the request may have reached the other side.
func (c *Client) call(ctx context.Context, method, target string, header http.Header, body []byte) (re reply, sent bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, c.o.Timeout)
	defer cancel()

	// Having a connection is all that can be known: what was written to it may have arrived.
	var connected atomic.Bool

	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})

	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return reply{}, false, errAddress
	}

	if header != nil {
		req.Header = header
	}

	// No Idempotency-Key: net/http would take it as leave to repeat a POST on a lost connection.
	if req.Header.Get("Authorization") == "" {
		req.Header.Set("Authorization", authorization(c.o.Key))
	}

	req.Header.Set("Accept", "application/json")

	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}

	res, err := c.api.Do(req)
	if err != nil {
		return reply{}, connected.Load(), plain(err)
	}

	defer func() { _ = res.Body.Close() }()

	data, err := io.ReadAll(io.LimitReader(res.Body, maxReply+1))
	if err == nil && len(data) > maxReply {
		err = errTooLong
	}

	if err != nil {
		return reply{status: res.StatusCode}, true, plain(err)
	}

	return reply{status: res.StatusCode, header: res.Header, body: data}, true, nil
}

// read makes a call that changes nothing, or that may be repeated: no answer means try again.
func (c *Client) read(ctx context.Context, method, target string) (reply, error) {
	return c.readWith(ctx, c.o.Key, method, target)
}

// readAsAdmin is read of what needs the ADMIN scope.
func (c *Client) readAsAdmin(ctx context.Context, method, target string) (reply, error) {
	return c.readWith(ctx, c.o.AdminKey, method, target)
}

func (c *Client) readWith(ctx context.Context, key redact.Secret, method, target string) (reply, error) {
	re, _, err := c.call(ctx, method, target, http.Header{"Authorization": {authorization(key)}}, nil)
	if err != nil {
		return reply{}, fail(providers.Transient, codeProvider, re.status, err)
	}

	return re, nil
}

func authorization(key redact.Secret) string { return "Key " + key.Reveal() }

// target is the URL to follow for a request: the stored one if it lies below the queue URL, or
// else one built by fal's rule, owner/app/requests/id, with the namespace of workflows and
// comfy kept in front.
func (c *Client) target(t providers.Ticket, stored, suffix string) string {
	if within(c.o.QueueURL, stored) {
		return stored
	}

	parts := strings.Split(t.Endpoint, "/")
	keep := 2

	if parts[0] == "workflows" || parts[0] == "comfy" {
		keep = 3
	}

	app := strings.Join(parts[:min(keep, len(parts))], "/")

	return fmt.Sprintf("%s/%s/requests/%s%s", c.o.QueueURL, app, url.PathEscape(t.RequestID), suffix)
}

// within reports whether raw has the scheme and the host of base and a path below its own.
func within(base, raw string) bool {
	b, err := url.Parse(base)
	if err != nil || raw == "" {
		return false
	}

	u, err := url.Parse(raw)

	return err == nil && u.Scheme == b.Scheme && strings.EqualFold(u.Host, b.Host) && u.User == nil && u.Opaque == "" &&
		strings.HasPrefix(u.Path, strings.TrimRight(b.Path, "/")+"/") && !strings.Contains(u.Path, "..")
}
