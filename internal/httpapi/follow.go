package httpapi

import (
	"context"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/generation"
)

// remixBody is the body of a remix: what a submit says, all of it optional.
type remixBody struct {
	GenerationRequest

	KeepSeed *bool `json:"keep_seed,omitempty"`
}

// RemixGeneration implements the contract's operation.
func (s *server) RemixGeneration(ctx context.Context, r RemixGenerationRequestObject) (RemixGenerationResponseObject, error) {
	userID, id, err := owned(ctx, prefixGeneration, r.ID)
	if err != nil {
		return nil, err
	}

	sub, err := submission(userID, r.Body.GenerationRequest)
	if err == nil {
		err = once(&sub, r.Params.IdempotencyKey, "POST "+location(id)+"/remix", r.Body)
	}

	if err != nil {
		return nil, err
	}

	a, err := s.Generations.Remix(ctx, id, sub, r.Body.KeepSeed != nil && *r.Body.KeepSeed)
	if err != nil {
		return nil, err
	}

	return s.accepted(ctx, a, r.Params.Prefer)
}

// AddFavourite implements the contract's operation.
func (s *server) AddFavourite(ctx context.Context, r AddFavouriteRequestObject) (AddFavouriteResponseObject, error) {
	g, err := s.setFavourite(ctx, r.ID, true)
	if err != nil {
		return nil, err
	}

	return AddFavourite200JSONResponse{Body: renderGeneration(g), Headers: AddFavourite200ResponseHeaders{ETag: new(etag(g))}}, nil
}

// RemoveFavourite implements the contract's operation.
func (s *server) RemoveFavourite(ctx context.Context, r RemoveFavouriteRequestObject) (RemoveFavouriteResponseObject, error) {
	g, err := s.setFavourite(ctx, r.ID, false)
	if err != nil {
		return nil, err
	}

	return RemoveFavourite200JSONResponse{Body: renderGeneration(g), Headers: RemoveFavourite200ResponseHeaders{ETag: new(etag(g))}}, nil
}

func (s *server) setFavourite(ctx context.Context, text string, favourite bool) (generation.Generation, error) {
	userID, id, err := owned(ctx, prefixGeneration, text)
	if err != nil {
		return generation.Generation{}, err
	}

	return s.Generations.SetFavourite(ctx, userID, id, favourite)
}

// DeleteGenerations implements the contract's operation.
func (s *server) DeleteGenerations(ctx context.Context, r DeleteGenerationsRequestObject) (DeleteGenerationsResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	done, err := s.Generations.DeleteMany(ctx, p.UserID, parseIDs(r.Body.Ids))
	if err != nil {
		return nil, err
	}

	out := DeleteGenerations200JSONResponse{Object: DeletionListObjectList, Data: make([]Deletion, len(done))}
	for i, d := range done {
		out.Data[i] = Deletion{ID: r.Body.Ids[i], Result: DeletionResult(d)}
	}

	return out, nil
}

// parseIDs reads ids of generations whose form the contract has checked.
func parseIDs(texts []string) []uuid.UUID {
	ids := make([]uuid.UUID, len(texts))
	for i, text := range texts {
		ids[i], _ = parseID(prefixGeneration, text) // the zero id is one that nobody has
	}

	return ids
}
