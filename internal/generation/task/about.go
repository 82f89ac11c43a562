package task

import (
	"context"
	"log/slog"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/queue"
)

// LogAbout puts the names of a generation on the line that a job leaves in the log.
func LogAbout(ctx context.Context, t db.AiTask) {
	queue.About(ctx, generation.LogID(t.ID), slog.String("support_code", t.SupportCode))
}
