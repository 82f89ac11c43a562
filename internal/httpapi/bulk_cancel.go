package httpapi

import (
	"context"

	"imagerun/internal/auth"
	"imagerun/internal/generation"
	"imagerun/internal/publicid"
)

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
