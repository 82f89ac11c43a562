package httpapi

import (
	"encoding/hex"
	"strings"

	"github.com/google/uuid"
)

// The prefixes of ids on the wire: a prefix and the 32 hexadecimal digits of a UUID.
const (
	prefixGeneration = "gen_"
	prefixImage      = "img_"
	prefixKey        = "key_"
	prefixUpload     = "upl_"
)

func formatID(prefix string, id uuid.UUID) string { return prefix + hex.EncodeToString(id[:]) }

// parseID accepts exactly what formatID makes, so that an id has one form.
func parseID(prefix, s string) (uuid.UUID, bool) {
	digits, ok := strings.CutPrefix(s, prefix)
	if !ok || len(digits) != 32 || digits != strings.ToLower(digits) {
		return uuid.UUID{}, false
	}

	var id uuid.UUID
	if _, err := hex.Decode(id[:], []byte(digits)); err != nil {
		return uuid.UUID{}, false
	}

	return id, true
}
