package httpapi

import (
	"context"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/publicid"
)

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
		ids[i], _ = publicid.Parse(publicid.PrefixGeneration, text) // the zero id is no generation's
	}

	return ids
}
