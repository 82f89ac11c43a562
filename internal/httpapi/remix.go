package httpapi

import (
	"context"

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
	userID, id, err := parseOwnedID(ctx, publicid.PrefixGeneration, r.ID)
	if err != nil {
		return nil, err
	}

	body := readRemix(r.Body)

	sub, err := parseSubmission(userID, body.GenerationRequest)
	if err == nil {
		err = setIdempotency(&sub, r.Params.IdempotencyKey, "POST "+generationLocation(id)+"/remix", body)
	}

	if err != nil {
		return nil, err
	}

	a, err := s.Generations.Remix(ctx, id, sub, body.KeepSeed != nil && *body.KeepSeed)
	if err != nil {
		return nil, err
	}

	return s.answerAccepted(ctx, a, r.Params.Prefer)
}
