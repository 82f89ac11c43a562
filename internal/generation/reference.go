package generation

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/generation/catalogue"
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

// findReference is one of the ways to look a reference up: for use, or not.
type findReference func(ctx context.Context, tx pgx.Tx, userID, uploadID uuid.UUID) (Reference, error)

// refer looks up the reference of an order and judges the request with it.
func (s *Service) refer(ctx context.Context, tx pgx.Tx, o *order, find findReference) error {
	ref, err := find(ctx, tx, o.UserID, o.Reference.UploadID)

	if f, ok := errors.AsType[*fault.Error](err); ok {
		// To the caller it is a field of the request that is wrong, whatever it is to the upload.
		return catalogue.ErrInvalid.WithFields(fault.Field{Pointer: "#/reference/upload_id", Keyword: f.Code, Detail: f.Detail})
	} else if err != nil {
		return err
	}

	with := *o.Reference
	with.Width, with.Height = ref.Width, ref.Height
	o.Reference, o.referenceKey = &with, ref.Key

	o.model, o.parameters, err = s.Catalogue.Resolve(o.Request)

	return err
}
