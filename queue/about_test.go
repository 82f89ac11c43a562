package queue_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/queue"
)

func TestAbout(t *testing.T) {
	t.Parallel()

	var notes queue.Notes

	ctx := queue.WithNotes(t.Context(), &notes)
	require.Empty(t, notes.Attrs())

	queue.About(ctx, slog.String("generation_id", "gen_1"))
	queue.About(ctx, slog.Int("image", 2))
	require.Equal(t, []slog.Attr{slog.String("generation_id", "gen_1"), slog.Int("image", 2)}, notes.Attrs())

	queue.About(t.Context(), slog.String("nobody", "listens"))
}
