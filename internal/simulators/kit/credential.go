package kit

import (
	"net/http"
	"slices"
	"strings"
)

// Standing is what a call's key is worth.
type Standing int

// The standings of a call.
const (
	Anonymous Standing = iota // there is no key
	Malformed                 // there is something else
	Unknown                   // it is not one of the vendor's
	Known
)

// Credential is what a caller of a vendor names itself with.
type Credential struct {
	Header string // such as "Authorization"
	Scheme string // the word before the key, with its blank; empty: none
	Keys   []string
}

// Check returns a call's key, and what it is worth.
func (c Credential) Check(r *http.Request) (string, Standing) {
	given := r.Header.Get(c.Header)
	key, isKey := strings.CutPrefix(given, c.Scheme)

	switch {
	case given == "":
		return "", Anonymous
	case !isKey:
		return "", Malformed
	case key == "" || !slices.Contains(c.Keys, key):
		return key, Unknown
	default:
		return key, Known
	}
}
