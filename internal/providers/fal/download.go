package fal

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"imagerun/internal/providers"
)

// Download gets one output, without the key. A data URI is decoded. What is not allowed, is
// no URL is Rejected; what is not there, or too big to be ours, is Gone; the rest may be tried again.
func (c *Client) Download(ctx context.Context, raw string, maxBytes int64) ([]byte, error) {
	if data, ok := strings.CutPrefix(raw, "data:"); ok {
		return decodeData(data, maxBytes)
	}

	u, err := url.Parse(raw)
	if err != nil || !c.allowed(u) {
		return nil, fail(providers.Rejected, codeNoImage, 0, errHost)
	}

	ctx, cancel := context.WithTimeout(ctx, c.o.DownloadTimeout)
	defer cancel()

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)

	// Whoever sends nothing for a while is left, however much time the job may have.
	idle := time.AfterFunc(c.o.IdleTimeout, func() { stop(errStalled) })
	defer idle.Stop()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fail(providers.Rejected, codeNoImage, 0, errAddress)
	}

	res, err := c.media.Do(req)
	if err != nil {
		return nil, downloadFailure(ctx, 0, err)
	}

	defer func() { _ = res.Body.Close() }()

	switch {
	case res.StatusCode == http.StatusNotFound || res.StatusCode == http.StatusGone || res.StatusCode == http.StatusForbidden:
		return nil, fail(providers.Gone, codeExpired, res.StatusCode, nil)
	case res.StatusCode != http.StatusOK:
		return nil, fail(providers.Transient, codeProvider, res.StatusCode, nil)
	case res.ContentLength > maxBytes:
		return nil, fail(providers.Gone, codeNoImage, res.StatusCode, errTooLong)
	}

	var buf bytes.Buffer
	if res.ContentLength > 0 {
		buf.Grow(int(res.ContentLength))
	}

	_, err = io.Copy(&buf, &lively{r: io.LimitReader(res.Body, maxBytes+1), idle: idle, wait: c.o.IdleTimeout})

	switch {
	case err != nil:
		return nil, downloadFailure(ctx, res.StatusCode, err)
	case int64(buf.Len()) > maxBytes:
		return nil, fail(providers.Gone, codeNoImage, res.StatusCode, errTooLong)
	}

	return buf.Bytes(), nil
}

func downloadFailure(ctx context.Context, status int, err error) error {
	switch {
	case errors.Is(err, errPrivate):
		return fail(providers.Rejected, codeNoImage, status, errPrivate)
	case errors.Is(context.Cause(ctx), errStalled):
		return fail(providers.Transient, codeProvider, status, errStalled)
	default:
		return fail(providers.Transient, codeProvider, status, plain(err))
	}
}

// lively pushes the idle timer back with everything that arrives.
type lively struct {
	r    io.Reader
	idle *time.Timer
	wait time.Duration
}

func (l *lively) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if n > 0 {
		l.idle.Reset(l.wait)
	}

	return n, err
}

// allowed reports whether a URL may be downloaded from, going by its looks.
func (c *Client) allowed(u *url.URL) bool {
	host, port := strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), u.Port()

	switch {
	case u.Scheme != "https" && !(u.Scheme == "http" && c.o.AllowPrivateMedia), host == "", u.User != nil, u.Opaque != "":
		return false
	case port == "443" && u.Scheme == "https", port == "80" && u.Scheme == "http":
		port = ""
	}

	return slices.ContainsFunc(c.o.MediaHosts, func(entry string) bool {
		name, entryPort, err := net.SplitHostPort(entry)
		if err != nil {
			name, entryPort = strings.Trim(entry, "[]"), ""
		}

		name = strings.ToLower(name)
		samePort := port == entryPort || entryPort == "" && c.o.AllowPrivateMedia

		return name != "" && samePort && (host == name || strings.HasSuffix(host, "."+name))
	})
}

// refusePrivate runs for each address just before it is dialled, so neither a name that points
// inside nor one that changes its mind gets through.
func refusePrivate(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errPrivate
	}

	ip := at.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() {
		return errPrivate
	}

	for _, block := range reserved() {
		if block.Contains(ip) {
			return errPrivate
		}
	}

	return nil
}

// reserved are the ranges of the IANA special-purpose registries that count as global unicast
// but lead inside, or hide an IPv4 address that might.
func reserved() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
		netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
	}
}

// decodeData reads the rest of a data URI (RFC 2397), base64 only.
func decodeData(data string, maxBytes int64) ([]byte, error) {
	_, text, ok := strings.Cut(data, ";base64,")

	switch {
	case !ok:
		return nil, fail(providers.Rejected, codeNoImage, 0, errAddress)
	case int64(base64.StdEncoding.DecodedLen(len(text))) > maxBytes+2:
		return nil, fail(providers.Rejected, codeNoImage, 0, errTooLong)
	}

	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fail(providers.Rejected, codeNoImage, 0, errAddress)
	} else if int64(len(out)) > maxBytes {
		return nil, fail(providers.Rejected, codeNoImage, 0, errTooLong)
	}

	return out, nil
}
