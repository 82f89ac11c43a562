package fal

import (
	"context"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"imagerun/internal/outbound"
	"imagerun/internal/providers"
)

// Download gets one output, without the key. A data URI is decoded. What is not allowed, is
// no URL is Rejected; what is not there, or too big to be ours, is Gone; the rest may be tried again.
func (c *Client) Download(ctx context.Context, raw string, maxBytes int64) ([]byte, error) {
	if data, ok := strings.CutPrefix(raw, "data:"); ok {
		return decodeData(data, maxBytes)
	}

	u, err := url.Parse(raw)
	if err != nil || !c.isAllowedURL(u) {
		return nil, newError(providers.Rejected, codeNoImage, 0, errHost)
	}

	re, err := c.media.Do(ctx, outbound.Call{
		Operation: "download", Method: http.MethodGet, URL: u.String(), MaxReply: maxBytes, OnlyOK: true,
	})

	switch {
	// The URL leads inside, or nowhere: it would again.
	case errors.Is(err, outbound.ErrPrivateAddress), errors.Is(err, outbound.ErrAddress):
		return nil, newCallError(providers.Rejected, codeNoImage, err)
	// What is there is too big to be ours.
	case errors.Is(err, outbound.ErrTooLong):
		return nil, newCallError(providers.Gone, codeNoImage, err)
	// No whole answer.
	case err != nil:
		return nil, newCallError(providers.Transient, codeProvider, err)
	// The file has expired, or was erased.
	case re.Status == http.StatusNotFound || re.Status == http.StatusGone || re.Status == http.StatusForbidden:
		return nil, newError(providers.Gone, codeExpired, re.Status, nil)
	// Anything else may pass.
	case re.Status != http.StatusOK:
		return nil, newError(providers.Transient, codeProvider, re.Status, nil)
	}

	return re.Body, nil
}

// isAllowedURL reports whether a URL may be downloaded from, going by its looks.
func (c *Client) isAllowedURL(u *url.URL) bool {
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

// decodeData reads the rest of a data URI (RFC 2397), base64 only.
func decodeData(data string, maxBytes int64) ([]byte, error) {
	_, text, ok := strings.Cut(data, ";base64,")

	switch {
	case !ok:
		return nil, newError(providers.Rejected, codeNoImage, 0, outbound.ErrAddress)
	case int64(base64.StdEncoding.DecodedLen(len(text))) > maxBytes+2:
		return nil, newError(providers.Rejected, codeNoImage, 0, outbound.ErrTooLong)
	}

	out, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, newError(providers.Rejected, codeNoImage, 0, outbound.ErrAddress)
	} else if int64(len(out)) > maxBytes {
		return nil, newError(providers.Rejected, codeNoImage, 0, outbound.ErrTooLong)
	}

	return out, nil
}
