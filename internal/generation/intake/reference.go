package intake

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
)

// referenceLookup is one of the ways to look a reference up: for use, or not.
type referenceLookup func(ctx context.Context, tx pgx.Tx, userID, uploadID uuid.UUID) (generation.Reference, error)

// findReference looks up the reference of an order and judges the request with it.
func (s *Intake) findReference(ctx context.Context, tx pgx.Tx, o *order, find referenceLookup) error {
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
