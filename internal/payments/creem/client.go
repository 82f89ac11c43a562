package creem

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"imagerun/internal/outbound"
	"imagerun/internal/payments"
	"imagerun/internal/redact"
)

// Environment is a world of Creem's: what is in one is not in the other, keys and secrets too.
type Environment string

// The environments.
const (
	Test Environment = "test"
	Live Environment = "live"
)

// Options set the client up. Only Key is needed to speak to Creem's test environment.
type Options struct {
	// Key is the API key.
	Key redact.Secret
	// Environment is the one that is called if URL is empty. Zero: Test.
	Environment Environment
	// URL is the API without a path. Empty: "https://api.creem.io", or "https://test-api.creem.io".
	URL string
	// PageSize is how much of a list is asked for at once. Zero: 50, as Creem's own tool does.
	PageSize int
	// AllowPlainHTTP takes pages of a loopback host by plain http. For development only.
	AllowPlainHTTP bool
	// Timeout bounds one call, all of its reply included. Zero: 15 s.
	Timeout time.Duration
	// BreakAfter is after how many failures in a row calls are refused for half a minute. Zero: never.
	BreakAfter uint32
	// Metrics count the calls. Nil: nothing does.
	Metrics *outbound.Metrics
}

// What goes wrong beside the call itself.
var (
	errID      = errors.New("id is none of the vendor's")
	errPageURL = errors.New("address of a page is not allowed")
	errRefund  = errors.New("refund failed")
)

// Client is Creem. It is safe for concurrent use.
type Client struct {
	o   Options
	api *outbound.Client
}

// New makes a client. It dials nothing.
func New(o Options) *Client {
	o.URL = strings.TrimRight(o.URL, "/")

	switch {
	case o.URL != "":
	case o.Environment == Live:
		o.URL = "https://api.creem.io"
	default:
		o.URL = "https://test-api.creem.io"
	}

	if o.PageSize == 0 {
		o.PageSize = 50
	}

	return &Client{o: o, api: outbound.New(outbound.Options{
		Vendor: "creem", Timeout: o.Timeout, BreakAfter: o.BreakAfter, Metrics: o.Metrics,
	})}
}

// Close ends the idle connections.
func (c *Client) Close() { c.api.Close() }

// getAnswer reads something.
func (c *Client) getAnswer(ctx context.Context, operation, path string, query url.Values, into any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}

	return c.doCall(ctx, payments.Transient, outbound.Call{Operation: operation, Method: http.MethodGet, URL: path}, into)
}

// getEntity reads one thing by its id.
func (c *Client) getEntity(ctx context.Context, operation, path string, query url.Values, id string, into entity) error {
	if !isVendorID(id) {
		return newError(payments.NotFound, errID)
	}

	if err := c.getAnswer(ctx, operation, path, query, into); err != nil {
		return err
	}

	return requireID(payments.Transient, id, into)
}

// postCall has something done. A nil body is none; open is the class of an outcome that is not known.
func (c *Client) postCall(ctx context.Context, open payments.Class, operation, path string, body, into any) error {
	call := outbound.Call{Operation: operation, Method: http.MethodPost, URL: path}

	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return newError(payments.Rejected, errors.New("request cannot be written"))
		}

		call.Body = b
	}

	return c.doCall(ctx, open, call, into)
}

// doCall makes one call of a path, with the key. Open is the class of an outcome that is not known.
func (c *Client) doCall(ctx context.Context, open payments.Class, call outbound.Call, into any) error {
	call.URL, call.JSON = c.o.URL+call.URL, true
	// No Idempotency-Key: Creem has none here, and net/http would take it as leave to repeat a POST on a lost connection.
	call.Header = http.Header{"X-Api-Key": {c.o.Key.Reveal()}}

	re, err := c.api.Do(ctx, call)

	switch {
	// There was no connection: nothing happened.
	case outbound.SentOf(err) == outbound.NotSent:
		return newError(payments.Transient, err)
	// It was sent, and no whole answer came.
	case err != nil:
		return newError(open, err)
	// It was answered, and not by a 2xx.
	case !re.OK():
		return newError(classOfStatus(re.Status, open), re.AsError())
	// What was said does not matter.
	case into == nil:
		return nil
	}

	if err := re.Decode(into); err != nil {
		return newError(open, err)
	}

	return nil
}

// classOfStatus sorts an answer that is not 2xx by its status alone: bodies of Creem's contradict it.
func classOfStatus(status int, open payments.Class) payments.Class {
	switch {
	// Which of the two a wrong key gets is told in different ways.
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return payments.Account
	case status == http.StatusNotFound:
		return payments.NotFound
	// It was refused before anything was done.
	case status == http.StatusTooManyRequests:
		return payments.Transient
	// It may have been done before this was said: 5xx, a redirect that is not followed, and a 408, which is about time alone.
	case status < 400 || status >= 500 || status == http.StatusRequestTimeout:
		return open
	// Any other 4xx is about this call.
	default:
		return payments.Rejected
	}
}

func newError(class payments.Class, cause error) error {
	return &payments.Error{Class: class, Cause: cause}
}

// requireID refuses an answer about another thing than the one that was asked for. Empty: any will do.
func requireID(open payments.Class, id string, got entity) error {
	if got.vendorID() == "" || id != "" && got.vendorID() != id {
		return newError(open, outbound.ErrMalformedReply)
	}

	return nil
}

// isVendorID tells what may be an id of Creem's from what would change the path that it is put into.
func isVendorID(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}

// isPage reports whether a person may be sent to an address.
func (c *Client) isPage(address string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return false
	}

	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()

	return u.Scheme == "https" || u.Scheme == "http" && c.o.AllowPlainHTTP && loopback
}
