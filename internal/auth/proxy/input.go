package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxName  = 100 // characters
	maxEmail = 254 // characters; RFC 5321 §4.5.3.1.3 less the brackets
)

// redirects are the fields that name where Better Auth sends a browser, at once or by a mail's link.
var redirects = map[string]bool{"callbackURL": true, "redirectTo": true, "errorCallbackURL": true, "newUserCallbackURL": true}

// maxLengths are the most characters of a field. Better Auth has none, and would find out at the insert: so only for
// an address that has no account.
var maxLengths = map[string]int{"name": maxName, "email": maxEmail, "image": 2048}

// checkQuery refuses a query that the service could read otherwise than we do, or must not read.
func (p *Proxy) checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return ErrQuery
	}

	for name, values := range query {
		for _, value := range values {
			if err := p.checkField(name, value); err != nil {
				return err
			}
		}
	}

	return nil
}

// checkBody returns the body to send on: what we read and judged, written anew, so that the service cannot read
// anything else in it. Only JSON passes. Another type would be read by other rules, and a form can be sent by any site.
func (p *Proxy) checkBody(r *http.Request, body []byte) ([]byte, error) {
	if len(body) == 0 {
		return nil, nil
	}

	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, ErrType
	}

	var fields map[string]any

	in := json.NewDecoder(bytes.NewReader(body))
	in.UseNumber()

	// Of half a character encoding/json would make U+FFFD, and of two passwords one.
	if err := in.Decode(&fields); err != nil || !utf8.Valid(body) || !jsontext.Value(body).IsValid(jsontext.AllowDuplicateNames(true)) {
		return nil, ErrJSON
	}

	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, ErrJSON
	}

	for name, value := range fields {
		if err := p.checkField(name, value); err != nil {
			return nil, err
		}
	}

	return json.Marshal(fields)
}

// checkField judges one field of a body or a query. No value of these routes is an object or a list.
func (p *Proxy) checkField(name string, value any) error {
	text, isText := value.(string)

	switch value.(type) {
	case map[string]any, []any:
		return ErrInput
	}

	switch most, limited := maxLengths[name]; {
	// Postgres takes no NUL. That would be found out at an insert, so it would tell who has an account.
	case hasControl(name), hasControl(text):
		return ErrInput
	case limited && utf8.RuneCountInString(text) > most:
		return ErrInput
	case redirects[name] && (value != nil && !isText || text != "" && !p.isOurs(text)):
		return ErrRedirect
	}

	return nil
}

func hasControl(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
}

// isOurs reports whether target is a clean path of ours, alone or behind our own origin. Browsers, proxies and
// routers differ in what they make of any other: "/..//evil.example" is a path for one and a host for the next.
func (p *Proxy) isOurs(target string) bool {
	if origin, ok := strings.CutPrefix(target, p.o.Origin); ok && p.o.Origin != "" {
		target = origin
	}

	u, err := url.Parse(target)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(target, "/") {
		return false
	}

	// u.Path is decoded; a "%" that is left was encoded twice.
	if strings.ContainsAny(target, `\`) || strings.ContainsAny(u.Path, `\%`) || hasControl(u.Path) || hasControl(target) {
		return false
	}

	return u.Path == "/" || path.Clean(u.Path) == strings.TrimSuffix(u.Path, "/")
}
