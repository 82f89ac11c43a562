// Package publicid is every id and code that people see: how it is written, and what is accepted as one.
package publicid

import (
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

// The prefixes of ids on the wire: a prefix and the 32 hexadecimal digits of a UUID.
const (
	PrefixGeneration   = "gen_"
	PrefixImage        = "img_"
	PrefixKey          = "key_"
	PrefixUpload       = "upl_"
	PrefixCheckout     = "cko_"
	PrefixOrder        = "ord_"
	PrefixSubscription = "sub_"
)

// Format writes an id as people see it.
func Format(prefix string, id uuid.UUID) string { return prefix + hex.EncodeToString(id[:]) }

// Parse accepts exactly what [Format] makes, so that an id has one form.
func Parse(prefix, s string) (id uuid.UUID, ok bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 2*len(id) || digits != strings.ToLower(digits) {
		return uuid.Nil, false
	}

	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return uuid.Nil, false
	}

	return id, true
}
