package httpapi

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/generation"
	"imagerun/internal/payments/checkout"
	"imagerun/internal/payments/orders"
	"imagerun/internal/payments/subscriptions"
	"imagerun/internal/publicid"
	"imagerun/internal/upload"
)

// parseOwnedID returns the caller and the id in the path. An id of another form is one that is not there.
func parseOwnedID(ctx context.Context, prefix, text string) (userID, id uuid.UUID, err error) {
	p, err := auth.From(ctx)
	if err != nil {
		return uuid.Nil, uuid.Nil, err
	}

	id, ok := publicid.Parse(prefix, text)
	if !ok {
		switch prefix {
		case publicid.PrefixKey:
			return uuid.Nil, uuid.Nil, apikey.ErrNotFound
		case publicid.PrefixUpload:
			return uuid.Nil, uuid.Nil, upload.ErrNotFound
		case publicid.PrefixCheckout:
			return uuid.Nil, uuid.Nil, checkout.ErrNotFound
		case publicid.PrefixOrder:
			return uuid.Nil, uuid.Nil, orders.ErrNotFound
		case publicid.PrefixSubscription:
			return uuid.Nil, uuid.Nil, subscriptions.ErrNotFound
		default:
			return uuid.Nil, uuid.Nil, generation.ErrNotFound
		}
	}

	return p.UserID, id, nil
}

// GetGeneration implements the contract's operation.
func (s *server) GetGeneration(ctx context.Context, r GetGenerationRequestObject) (GetGenerationResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixGeneration, r.ID)
	if err != nil {
		return nil, err
	}

	g, err := s.Generations.Get(ctx, userID, id)
	if err != nil {
		return nil, err
	}

	s.refreshWatch(ctx, userID, g)

	g, applied, err := s.awaitGeneration(ctx, userID, g, r.Params.Prefer)
	if err != nil {
		return nil, err
	}

	tag := etagOf(g)
	if matchesETag(r.Params.IfNoneMatch, tag) {
		return GetGeneration304Response{Headers: GetGeneration304ResponseHeaders{ETag: &tag, PreferenceApplied: applied}}, nil
	}

	return GetGeneration200JSONResponse{
		Body:    renderGeneration(g),
		Headers: GetGeneration200ResponseHeaders{ETag: &tag, PreferenceApplied: applied},
	}, nil
}

// CancelGeneration implements the contract's operation.
func (s *server) CancelGeneration(ctx context.Context, r CancelGenerationRequestObject) (CancelGenerationResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixGeneration, r.ID)
	if err != nil {
		return nil, err
	}

	g, err := s.Generations.Cancel(ctx, userID, id)
	if err != nil {
		return nil, err
	}

	return CancelGeneration200JSONResponse{Body: renderGeneration(g), Headers: CancelGeneration200ResponseHeaders{ETag: new(etagOf(g))}}, nil
}

// DeleteGeneration implements the contract's operation.
func (s *server) DeleteGeneration(ctx context.Context, r DeleteGenerationRequestObject) (DeleteGenerationResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixGeneration, r.ID)
	if err != nil {
		return nil, err
	}

	if err := s.Generations.Delete(ctx, userID, id); err != nil && !errors.Is(err, generation.ErrDeleted) {
		return nil, err
	}

	return DeleteGeneration204Response{}, nil
}
