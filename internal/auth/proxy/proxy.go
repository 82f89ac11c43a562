package proxy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"time"

	"imagerun/internal/auth"
	"imagerun/internal/auth/device"
	"imagerun/internal/clock"
	"imagerun/internal/fault"
	"imagerun/internal/ratelimit"
	"imagerun/internal/redact"
)

const (
	// ClientAddressHeader tells the service who the client is. It reads no other.
	ClientAddressHeader = "X-Imagerun-Client-Address"

	// accountHeader is how the service says whose password was reset. No answer to a client has it.
	accountHeader = "X-Imagerun-Account"

	// MaxBody is the most that a request may carry, in bytes.
	MaxBody = 64 << 10

	maxQuery = 8 << 10
)

// The faults of this package.
var (
	ErrNotFound   = fault.New(fault.NotFound, "not_found", "There is nothing here. Check the address and the method.")
	ErrTooLarge   = fault.New(fault.TooLarge, "body_too_large", "The request is larger than 64 KiB. Send less.")
	ErrIncomplete = fault.New(fault.Malformed, "body_incomplete", "The body ended early or came too slowly. Send the request again.")
	ErrType       = fault.New(fault.UnsupportedType, "unsupported_media_type", "Send the body as application/json, uncompressed.")
	ErrJSON       = fault.New(fault.Malformed, "malformed_json", "The body is not one valid JSON document in UTF-8. Check it with a JSON parser and send it again.")
	ErrQuery      = fault.New(fault.Malformed, "malformed_query", "The query string is not correctly encoded.")
	ErrInput      = fault.New(fault.Invalid, "auth_input_refused",
		"A field is too long, is no plain value, or has a control character. A name has 100 characters at most. Correct it and send it again.")
	ErrRedirect = fault.New(fault.Invalid, "auth_redirect_refused",
		"A browser is sent on to pages of this service alone. Send a path without detours, such as /welcome.")
	ErrUnavailable = fault.New(fault.Unavailable, "auth_unavailable",
		"Signing in is not possible at the moment. Try again in a few seconds.").WithRetryAfter(5 * time.Second)
)

// Options configure a Proxy.
type Options struct {
	Upstream *url.URL      // where the service listens
	Origin   string        // our public one; empty: only paths are redirected to
	Pace     time.Duration // steps in which an answer about an address comes; zero: 250 ms
	Client   ClientAddress // how a client's address is found
	Timeout  time.Duration // for a whole exchange with the service; zero: 4 s

	Limiter       *ratelimit.Limiter  // counts by account and by recipient; nil: nothing is counted
	Authenticator *auth.Authenticator // says whose password a caller wants to change; needed with Limiter
	Secret        redact.Secret       // what digests of addresses and cookies of known devices are made with; needed with Limiter
	Now           clock.Now           // needed with Limiter

	Fail func(w http.ResponseWriter, r *http.Request, fault error) // writes the problem
	Log  *slog.Logger
}

// Proxy is an [http.Handler] for [Prefix] and all below it. It is safe for concurrent use.
type Proxy struct {
	o       Options
	devices *device.Signer
	reverse *httputil.ReverseProxy
}

// New returns a proxy. It does not dial.
func New(o Options) *Proxy {
	if o.Timeout == 0 {
		o.Timeout = 4 * time.Second // so that its absence is said within five
	}

	if o.Pace == 0 {
		o.Pace = 250 * time.Millisecond
	}

	p := &Proxy{o: o, devices: device.NewSigner(o.Secret.Reveal(), "imagerun auth proxy", deviceLife)}
	p.reverse = &httputil.ReverseProxy{
		Rewrite:        p.rewriteRequest,
		ModifyResponse: p.modifyResponse,
		ErrorHandler:   p.answerUnavailable,
		ErrorLog:       slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			ResponseHeaderTimeout: o.Timeout,
			MaxIdleConnsPerHost:   16,
			IdleConnTimeout:       60 * time.Second, // the service's is 75 s: it never closes first
		},
	}

	return p
}

// ServeHTTP passes r on, or says that there is no such thing.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")

	path := matchRoute(r)
	if namesAddress[path] {
		w = &pacedWriter{ResponseWriter: w, r: r, began: time.Now(), step: p.o.Pace}
	}

	switch {
	case path == "":
		p.o.Fail(w, r, ErrNotFound)

		return
	case len(r.URL.RawQuery) > maxQuery, r.ContentLength > MaxBody:
		p.o.Fail(w, r, ErrTooLarge)

		return
	}

	if err := p.checkQuery(r.URL.RawQuery); err != nil {
		p.o.Fail(w, r, err)

		return
	}

	if path == verifyEmail && r.Method == http.MethodGet {
		serveVerifyPage(w)

		return
	}

	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			p.o.Fail(w, r, ErrTooLarge)
		} else {
			p.o.Fail(w, r, ErrIncomplete.WithCause(err))
		}

		return
	}

	body, err = p.checkBody(r, body)
	if err != nil {
		p.o.Fail(w, r, err)

		return
	}

	try, err := p.countAttempt(r, path, body)
	if err != nil {
		p.o.Fail(w, r, err)

		return
	}

	ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), attemptKey{}, try), p.o.Timeout)
	defer cancel()

	out := r.Clone(ctx)
	out.URL.Path = path
	out.TransferEncoding, out.Trailer = nil, nil

	if path == verifyEmail {
		out.Method = http.MethodGet // as the service has it: the token is in the query
		body = nil
	}

	out.ContentLength = int64(len(body))

	out.Body = http.NoBody
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body)) // without GetBody, so never sent twice
	}

	p.reverse.ServeHTTP(w, out)
}

func (p *Proxy) rewriteRequest(r *httputil.ProxyRequest) {
	r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = p.o.Upstream.Scheme, p.o.Upstream.Host, ""

	r.Out.Header = http.Header{}
	for _, name := range requestHeaders {
		if values := r.In.Header.Values(name); len(values) > 0 {
			r.Out.Header[name] = values
		}
	}

	// A browser says both. A program that says how it fetches and not for which site, as Node's fetch does, would be
	// taken for one that hides its origin.
	if r.Out.Header.Get("Sec-Fetch-Site") == "" {
		r.Out.Header.Del("Sec-Fetch-Mode")
		r.Out.Header.Del("Sec-Fetch-Dest")
	}

	passCredentials(r.In, r.Out)

	if addr := p.o.Client.Of(r.In); addr.IsValid() {
		r.Out.Header.Set(ClientAddressHeader, addr.String())
	}
}

// modifyResponse turns what the service cannot answer into our problem, and its own Retry-After into the
// standard one. Links that were mailed before we checked what goes into them come back here.
func (p *Proxy) modifyResponse(res *http.Response) error {
	account := res.Header.Get(accountHeader)
	res.Header.Del(accountHeader)

	if res.StatusCode >= http.StatusInternalServerError {
		return errors.New("the auth service answered " + strconv.Itoa(res.StatusCode))
	}

	for _, target := range res.Header.Values("Location") {
		if !p.isOurs(target) {
			return errors.New("the auth service answered with a redirect to elsewhere")
		}
	}

	if after := res.Header.Get("X-Retry-After"); after != "" {
		res.Header.Set("Retry-After", after)
	}

	// The handler has set its own, for problems too.
	res.Header.Del("Cache-Control")
	p.settleAttempt(res.Request.Context(), res.StatusCode, res.Header)

	// The link came by mail, so it is the owner who has it, and need not wait for those who made a reset necessary.
	if account != "" && p.o.Limiter != nil {
		res.Header.Add("Set-Cookie", p.newDevice(p.devices.Digest("account", normalizeAddress(account))).String())
	}

	return nil
}

func (p *Proxy) answerUnavailable(w http.ResponseWriter, r *http.Request, err error) {
	// A client that left is not the service's failure. Fail tells it from others.
	if errors.Is(err, context.Canceled) {
		p.o.Fail(w, r, err)

		return
	}

	p.settleAttempt(r.Context(), http.StatusServiceUnavailable, w.Header())
	p.o.Log.LogAttrs(r.Context(), slog.LevelWarn, "auth service did not answer", slog.Any("error", err))
	p.o.Fail(w, r, ErrUnavailable.WithCause(err))
}
