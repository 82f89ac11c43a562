package generation

import (
	"context"
	"log/slog"

	"imagerun/internal/generation/db"
	"imagerun/queue"
)

// aboutTask puts the names of a generation on the line that a job leaves in the log.
func aboutTask(ctx context.Context, t db.AiTask) {
	queue.About(ctx, generationID(t.ID), slog.String("support_code", t.SupportCode))
}
