package jobs

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/cli"
	"imagerun/internal/generation/history"
	"imagerun/internal/support"
)

// findAbout returns the ids that jobs about what --about names have among their arguments. A name that leads nowhere
// is still looked for as an id: what a job is about may be gone.
func (f *flags) findAbout(ctx context.Context, pool *pgxpool.Pool) ([]uuid.UUID, error) {
	if f.about == "" {
		return nil, nil
	}

	n, err := support.Parse(f.about)
	if err != nil {
		return nil, cli.Misuse("--about: %w", err)
	}

	found, err := support.Find(ctx, pool, n)
	if err != nil {
		return nil, err
	}

	var ids []uuid.UUID
	if n.ID() != uuid.Nil {
		ids = append(ids, n.ID())
	}

	for _, s := range found {
		ids = append(ids, s.ID)

		if s.Kind != support.Generation {
			continue
		}

		g, err := history.Inspect(ctx, pool, s.ID)
		if err != nil {
			return nil, err
		}

		ids = append(ids, g.AttemptIDs()...)
	}

	if len(ids) == 0 {
		return nil, fmt.Errorf("there is nothing of the name %s", f.about)
	}

	return ids, nil
}
