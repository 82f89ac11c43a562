package fal

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"imagerun/internal/outbound"
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
	// Metrics count the calls. Nil: nothing does.
	Metrics *outbound.Metrics
}

// vendor is the label of our metrics.
const vendor = "fal"

// Client is fal.ai as a [providers.Provider]. It is safe for concurrent use.
type Client struct {
	o     Options
	api   *outbound.Client
	media *outbound.Client // without the key
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

	return &Client{
		o:   o,
		api: outbound.New(outbound.Options{Vendor: vendor, Timeout: o.Timeout, Metrics: o.Metrics}),
		media: outbound.New(outbound.Options{
			Vendor: vendor, Timeout: o.DownloadTimeout, IdleTimeout: o.IdleTimeout, PublicOnly: !o.AllowPrivateMedia, Metrics: o.Metrics,
		}),
	}
}

// Close ends the idle connections.
func (c *Client) Close() {
	c.api.Close()
	c.media.Close()
}

// callWithKey makes one request with a key. Target is below one of the configured URLs.
func (c *Client) callWithKey(ctx context.Context, key redact.Secret, call outbound.Call) (reply, error) {
	if call.Header == nil {
		call.Header = http.Header{}
	}

	// No Idempotency-Key: net/http would take it as leave to repeat a POST on a lost connection.
	call.Header.Set("Authorization", "Key "+key.Reveal())
	call.JSON = true

	re, err := c.api.Do(ctx, call)

	return reply{re}, err
}

// readAnswer makes a call that changes nothing, or that may be repeated: no answer means try again.
func (c *Client) readAnswer(ctx context.Context, operation, method, target string) (reply, error) {
	return c.readAnswerWith(ctx, c.o.Key, operation, method, target)
}

// readAnswerAsAdmin is readAnswer of what needs the ADMIN scope.
func (c *Client) readAnswerAsAdmin(ctx context.Context, operation, method, target string) (reply, error) {
	return c.readAnswerWith(ctx, c.o.AdminKey, operation, method, target)
}

func (c *Client) readAnswerWith(ctx context.Context, key redact.Secret, operation, method, target string) (reply, error) {
	re, err := c.callWithKey(ctx, key, outbound.Call{Operation: operation, Method: method, URL: target})
	if err != nil {
		return reply{}, newCallError(providers.Transient, codeProvider, err)
	}

	return re, nil
}

// requestURL is the URL to follow for a request: the stored one if it lies below the queue URL, or
// else one built by fal's rule, owner/app/requests/id, with the namespace of workflows and
// comfy kept in front.
func (c *Client) requestURL(t providers.Ticket, stored, suffix string) string {
	if isBelow(c.o.QueueURL, stored) {
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

// isBelow reports whether raw has the scheme and the host of base and a path below its own.
func isBelow(base, raw string) bool {
	b, err := url.Parse(base)
	if err != nil || raw == "" {
		return false
	}

	u, err := url.Parse(raw)

	return err == nil && u.Scheme == b.Scheme && strings.EqualFold(u.Host, b.Host) && u.User == nil && u.Opaque == "" &&
		strings.HasPrefix(u.Path, strings.TrimRight(b.Path, "/")+"/") && !strings.Contains(u.Path, "..")
}
