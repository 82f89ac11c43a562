package queue_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/queue"
)

func TestAbout(t *testing.T) {
	t.Parallel()

	ctx, said := queue.WithAbout(t.Context())
	require.Empty(t, said())

	queue.About(ctx, slog.String("generation_id", "gen_1"))
	queue.About(ctx, slog.Int("image", 2))
	require.Equal(t, []slog.Attr{slog.String("generation_id", "gen_1"), slog.Int("image", 2)}, said())

	queue.About(t.Context(), slog.String("nobody", "listens"))
}
