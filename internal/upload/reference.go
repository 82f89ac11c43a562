package upload

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/postgres"
	"imagerun/internal/upload/db"
)

// Reference is a picture that a generation may start from.
type Reference struct {
	ID            uuid.UUID
	Width, Height int    // pixels
	Key           string // of the object; see [Service.Link]
}

// UseReference returns one of the user's uploads for use by a generation that tx makes, and notes
// the use. The row stays locked until tx ends, so no purge comes between. Errors: [ErrNotFound],
// [ErrExpired], [ErrLost], [ErrNotReady], [ErrRejected].
func (s *Service) UseReference(ctx context.Context, tx pgx.Tx, userID, id uuid.UUID) (Reference, error) {
	u, err := s.db.UploadLockOwned(ctx, tx, db.UploadLockOwnedParams{ID: id, UserID: userID})

	switch {
	case postgres.IsNotFound(err):
		return Reference{}, ErrNotFound
	case err != nil:
		return Reference{}, fmt.Errorf("lock upload %s: %w", id, err)
	}

	ref, err := s.judgeReference(u)
	if err != nil {
		return Reference{}, err
	}

	now := s.Now()
	if err := s.db.UploadUsed(ctx, tx, db.UploadUsedParams{ID: id, At: &now}); err != nil {
		return Reference{}, fmt.Errorf("note use of upload %s: %w", id, err)
	}

	return ref, nil
}

// FindReference returns what [Service.UseReference] would. It is no use: it notes and locks nothing, and
// the upload is kept no longer for it.
func (s *Service) FindReference(ctx context.Context, tx pgx.Tx, userID, id uuid.UUID) (Reference, error) {
	row, err := s.db.UploadGet(ctx, tx, db.UploadGetParams{ID: id, UserID: userID})

	switch {
	case postgres.IsNotFound(err):
		return Reference{}, ErrNotFound
	case err != nil:
		return Reference{}, fmt.Errorf("read upload %s: %w", id, err)
	}

	return s.judgeReference(row.Upload)
}

// judgeReference says whether a generation may start from an upload now.
func (s *Service) judgeReference(u db.Upload) (Reference, error) {
	switch s.currentStatus(u) {
	case StatusReady:
	case StatusRejected:
		return Reference{}, ErrRejected
	case StatusExpired:
		return Reference{}, ErrExpired
	case StatusPending, StatusInspecting:
		return Reference{}, ErrNotReady
	}

	if u.LostAt != nil {
		return Reference{}, ErrLost
	}

	return Reference{ID: u.ID, Width: int(*u.Width), Height: int(*u.Height), Key: *u.Key}, nil
}

// Link returns a link by which any holder can read a reference's object for at least ttl, and not
// much longer. It is a secret.
func (s *Service) Link(ctx context.Context, key string, ttl time.Duration) (string, error) {
	// A second is lost to the precision of signatures.
	url, _, err := s.Bucket.SignGetFor(ctx, key, ttl+time.Second)

	return url, fault.Wrap(err, "sign link of a reference")
}
