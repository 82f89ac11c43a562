package generation

import (
	"context"
	"log/slog"

	"github.com/google/uuid"

	"imagerun/internal/generation/db"
	"imagerun/internal/publicid"
	"imagerun/queue"
)

// generationID is the id on every line of the log about a generation, as its owner sees it.
func generationID(id uuid.UUID) slog.Attr {
	return slog.String("generation_id", publicid.Format(publicid.PrefixGeneration, id))
}

// aboutTask puts the names of a generation on the line that a job leaves in the log.
func aboutTask(ctx context.Context, t db.AiTask) {
	queue.About(ctx, generationID(t.ID), slog.String("support_code", t.SupportCode))
}
