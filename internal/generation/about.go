package generation

import (
	"log/slog"

	"github.com/google/uuid"

	"imagerun/internal/publicid"
)

// LogID is the id on every line of the log about a generation, as its owner sees it.
func LogID(id uuid.UUID) slog.Attr {
	return slog.String("generation_id", publicid.Format(publicid.PrefixGeneration, id))
}
