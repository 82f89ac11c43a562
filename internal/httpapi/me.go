package httpapi

import (
	"context"

	"imagerun/internal/auth"
)

// GetMe implements the contract's operation. Of the account itself the auth service answers.
func (s *server) GetMe(ctx context.Context, _ GetMeRequestObject) (GetMeResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	plan, err := s.Plans.PlanOf(ctx, p.UserID)
	if err != nil {
		return nil, err
	}

	usage, err := s.Generations.UsageOf(ctx, p.UserID)
	if err != nil {
		return nil, err
	}

	return GetMe200JSONResponse{
		Object: MeObjectMe,
		Plan: Plan{
			ID: plan.ID, Slots: plan.Slots, QueueDepth: plan.QueueDepth, MaxImages: plan.MaxImages, Models: append([]string{}, plan.Models...),
			RequestsPerMinute: plan.Rate.Requests, SubmissionsPerMinute: plan.Rate.Submissions,
		},
		Usage: Usage{Slots: usage.Slots, Waiting: usage.Waiting},
	}, nil
}
