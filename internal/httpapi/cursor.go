package httpapi

import (
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/clock"
	"imagerun/internal/generation"
	"imagerun/internal/publicid"
)

// prefixCursor begins a place in a list of generations or uploads: the microsecond of its creation and its id, in the base64 of URLs.
// Callers are not to read it. It holds the place itself, which is there whatever becomes of the generation.
const prefixCursor = "cur_"

// formatCursor writes the place at which a generation stands.
func formatCursor(g generation.Generation) string { return formatPlace(g.CreatedAt, g.ID) }

// formatPlace writes a place.
func formatPlace(at time.Time, id uuid.UUID) string {
	place := binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro())) //nolint:gosec // parseCursor undoes it

	return prefixCursor + base64.RawURLEncoding.EncodeToString(append(place, id[:]...))
}

// parseCursor reads what formatCursor makes, and the id of a generation, whose place is looked up.
func parseCursor(text string) (generation.Place, bool) {
	if id, ok := publicid.Parse(publicid.PrefixGeneration, text); ok {
		return generation.Place{ID: id}, true
	}

	digits, ok := strings.CutPrefix(text, prefixCursor)
	place, err := base64.RawURLEncoding.DecodeString(digits)

	if !ok || err != nil || len(place) != 24 {
		return generation.Place{}, false
	}

	at := time.UnixMicro(int64(binary.BigEndian.Uint64(place))).UTC() //nolint:gosec // as formatCursor wrote it
	if at.UnixMicro() <= 0 || !at.Before(clock.Latest()) {
		return generation.Place{}, false // not one of ours
	}

	return generation.Place{CreatedAt: at, ID: [16]byte(place[8:])}, true
}
