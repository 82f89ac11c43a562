package httpapi

import (
	"context"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/generation"
	"imagerun/internal/publicid"
)

// remixBody is the body of a remix in the form of a submit's. Its JSON is what a repeat is recognised by.
type remixBody struct {
	GenerationRequest

	KeepSeed *bool `json:"keep_seed,omitempty"`
}

// readRemix reads the body of a remix, which may have none. What it does not say is zero.
func readRemix(r *RemixRequest) remixBody {
	if r == nil {
		return remixBody{}
	}

	b := remixBody{
		GenerationRequest: GenerationRequest{
			NegativePrompt:  r.NegativePrompt,
			AspectRatio:     r.AspectRatio,
			Width:           r.Width,
			Height:          r.Height,
			Quality:         r.Quality,
			NumImages:       r.NumImages,
			Seed:            r.Seed,
			OutputFormat:    r.OutputFormat,
			Reference:       r.Reference,
			FallbackModels:  r.FallbackModels,
			Quote:           r.Quote,
			DeadlineSeconds: r.DeadlineSeconds,
			Lane:            r.Lane,
			Metadata:        r.Metadata,
		},
		KeepSeed: r.KeepSeed,
	}

	if r.Model != nil {
		b.Model = *r.Model
	}

	if r.Prompt != nil {
		b.Prompt = *r.Prompt
	}

	return b
}

// RemixGeneration implements the contract's operation.
func (s *server) RemixGeneration(ctx context.Context, r RemixGenerationRequestObject) (RemixGenerationResponseObject, error) {
	userID, id, err := owned(ctx, publicid.PrefixGeneration, r.ID)
	if err != nil {
		return nil, err
	}

	body := readRemix(r.Body)

	sub, err := submission(userID, body.GenerationRequest)
	if err == nil {
		err = once(&sub, r.Params.IdempotencyKey, "POST "+location(id)+"/remix", body)
	}

	if err != nil {
		return nil, err
	}

	a, err := s.Generations.Remix(ctx, id, sub, body.KeepSeed != nil && *body.KeepSeed)
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
	userID, id, err := owned(ctx, publicid.PrefixGeneration, text)
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

// CancelGenerations implements the contract's operation.
func (s *server) CancelGenerations(ctx context.Context, r CancelGenerationsRequestObject) (CancelGenerationsResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	out := CancelGenerations200JSONResponse{Object: CancellationListObjectList, Data: []Cancellation{}}

	if len(r.Body.Ids) == 0 { // then it says waiting, by the contract
		canceled, err := s.Generations.CancelWaiting(ctx, p.UserID)
		if err != nil {
			return nil, err
		}

		out.HasMore = canceled.HasMore
		for _, id := range canceled.IDs {
			out.Data = append(out.Data, Cancellation{ID: publicid.Format(publicid.PrefixGeneration, id), Result: CancellationResult(generation.CancellationDone)})
		}

		return out, nil
	}

	done, err := s.Generations.CancelMany(ctx, p.UserID, parseIDs(r.Body.Ids))
	if err != nil {
		return nil, err
	}

	for i, c := range done {
		out.Data = append(out.Data, Cancellation{ID: r.Body.Ids[i], Result: CancellationResult(c)})
	}

	return out, nil
}

// parseIDs reads ids of generations whose form the contract has checked.
func parseIDs(texts []string) []uuid.UUID {
	ids := make([]uuid.UUID, len(texts))
	for i, text := range texts {
		ids[i], _ = publicid.Parse(publicid.PrefixGeneration, text) // the zero id is one that nobody has
	}

	return ids
}
