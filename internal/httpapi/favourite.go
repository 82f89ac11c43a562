package httpapi

import (
	"context"

	"imagerun/internal/generation"
	"imagerun/internal/publicid"
)

// AddFavourite implements the contract's operation.
func (s *server) AddFavourite(ctx context.Context, r AddFavouriteRequestObject) (AddFavouriteResponseObject, error) {
	g, err := s.setFavourite(ctx, r.ID, true)
	if err != nil {
		return nil, err
	}

	return AddFavourite200JSONResponse{Body: renderGeneration(g), Headers: AddFavourite200ResponseHeaders{ETag: new(etagOf(g))}}, nil
}

// RemoveFavourite implements the contract's operation.
func (s *server) RemoveFavourite(ctx context.Context, r RemoveFavouriteRequestObject) (RemoveFavouriteResponseObject, error) {
	g, err := s.setFavourite(ctx, r.ID, false)
	if err != nil {
		return nil, err
	}

	return RemoveFavourite200JSONResponse{Body: renderGeneration(g), Headers: RemoveFavourite200ResponseHeaders{ETag: new(etagOf(g))}}, nil
}

func (s *server) setFavourite(ctx context.Context, text string, favourite bool) (generation.Generation, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixGeneration, text)
	if err != nil {
		return generation.Generation{}, err
	}

	return s.Generations.SetFavourite(ctx, userID, id, favourite)
}
