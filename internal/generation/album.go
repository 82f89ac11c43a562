package generation

import (
	"strings"

	"github.com/google/uuid"

	"imagerun/internal/picture"
)

// Album is the pictures of many generations, to be taken away together.
type Album struct {
	Generations []Generation // in the order in which they were asked for
	Pictures    []Picture    // in the order of their generations
	LeftOut     []uuid.UUID  // what is not the user's, or was deleted
}

// Picture is a stored image that [history.History.OpenPicture] reads.
type Picture struct {
	Image

	GenerationID uuid.UUID

	Key string
}

// Extension returns the ending of a name for its file, without a dot.
func (p Picture) Extension() string {
	return picture.Format(strings.TrimPrefix(p.ContentType, "image/")).Extension()
}
