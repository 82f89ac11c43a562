package generation

import (
	"context"

	"github.com/google/uuid"
)

// Cancel ends the user's generation at once where its provider has not begun. One that it may have begun is asked to stop, and
// what the provider does then decides: of what it stops nothing is kept or paid for, what it finishes is stored and paid for as ever.
// At the deadline it ends whatever the provider says. Canceling what was canceled changes nothing. Errors: [ErrNotFound], [ErrDeleted],
// [ErrNotCancelable].
func (s *Service) Cancel(ctx context.Context, userID, id uuid.UUID) (Generation, error) {
	if _, err := s.cancel(ctx, userID, id, false); err != nil {
		return Generation{}, err
	}

	return s.Get(ctx, userID, id)
}
