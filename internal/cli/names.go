package cli

import (
	"github.com/google/uuid"

	"imagerun/internal/publicid"
	"imagerun/internal/support"
)

// ParseName reads what an operator calls something by.
func ParseName(text string) (support.Name, error) {
	n, err := support.Parse(text)
	if err != nil {
		return n, Misuse("%w", err)
	}

	return n, nil
}

// GenerationID writes an id as the API does.
func GenerationID(id uuid.UUID) string { return publicid.Format(publicid.PrefixGeneration, id) }
