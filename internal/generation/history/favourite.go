package history

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
)

// SetFavourite marks the user's generation, or unmarks it; doing it again changes nothing. It is
// no event: the generation is as it was. Errors: [generation.ErrNotFound], [generation.ErrDeleted].
func (s *History) SetFavourite(ctx context.Context, userID, id uuid.UUID, favourite bool) (generation.Generation, error) {
	_, err := s.db.TaskFavourite(ctx, s.Pool, db.TaskFavouriteParams{ID: id, UserID: userID, Favourite: favourite, At: s.Now()})
	if err != nil {
		return generation.Generation{}, fmt.Errorf("mark %s as favourite: %w", id, err)
	}

	return s.Get(ctx, userID, id) // which says why, if there was none to mark
}
