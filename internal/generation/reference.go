package generation

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Reference is a picture that a user uploaded to start from.
type Reference struct {
	Key           string // in the bucket
	Width, Height int    // pixels
}

// References are the pictures that users uploaded.
type References interface {
	// UseReference returns one of the user's for a generation that tx makes, which then uses it; its
	// faults say why it may not.
	UseReference(ctx context.Context, tx pgx.Tx, userID, uploadID uuid.UUID) (Reference, error)
	// FindReference returns the same, and is no use.
	FindReference(ctx context.Context, tx pgx.Tx, userID, uploadID uuid.UUID) (Reference, error)
	// Link returns a link that reads the object without credentials for at least ttl.
	Link(ctx context.Context, key string, ttl time.Duration) (string, error)
}
