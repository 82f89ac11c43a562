package history

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

// Inspect returns everything about a generation, whichever user's it is, for operators. Errors: [generation.ErrNotFound].
func Inspect(ctx context.Context, tx db.DBTX, id uuid.UUID) (generation.Inspection, error) {
	q := db.New()

	t, err := q.InspectTask(ctx, tx, id)
	if postgres.IsNotFound(err) {
		return generation.Inspection{}, generation.ErrNotFound
	} else if err != nil {
		return generation.Inspection{}, fmt.Errorf("inspect %s: %w", id, err)
	}

	i := generation.Inspection{
		ID: t.ID, UserID: t.UserID, Plan: t.Plan, SupportCode: t.SupportCode, Provider: t.Provider, Model: t.Model, ServedModel: t.ServedModel,
		Status: t.Status, Canceling: t.Canceling, FailureCode: t.FailureCode, CreatedAt: t.CreatedAt, AdmittedAt: t.AdmittedAt, DeadlineAt: t.DeadlineAt,
		FinishedAt: t.FinishedAt, DeletedAt: t.DeletedAt, RemixOf: t.RemixOf, FromUploadID: t.ReferenceUploadID,
	}

	events, err := q.InspectEvents(ctx, tx, id)
	if err != nil {
		return i, fmt.Errorf("inspect events of %s: %w", id, err)
	}

	for _, e := range events {
		i.Events = append(i.Events, generation.InspectedEvent(e))
	}

	attempts, err := q.InspectAttempts(ctx, tx, id)
	if err != nil {
		return i, fmt.Errorf("inspect attempts of %s: %w", id, err)
	}

	for _, a := range attempts {
		i.Attempts = append(i.Attempts, generation.InspectedAttempt{
			ID: a.ID, Number: a.N, State: a.State, Model: a.Model, Endpoint: a.Endpoint, RequestID: a.RequestID, ErrorCode: a.ErrorCode,
			CreatedAt: a.CreatedAt, SentAt: a.SentAt, CallbackAt: a.CallbackAt, FinishedAt: a.FinishedAt, ErasedAt: a.ErasedAt,
			UnitsTold: postgres.TextOrNil(a.UnitsTold), UnitsBilled: postgres.TextOrNil(a.UnitsBilled), CostNanoUSD: a.CostNanoUsd,
		})
	}

	images, err := q.InspectImages(ctx, tx, id)
	if err != nil {
		return i, fmt.Errorf("inspect images of %s: %w", id, err)
	}

	for _, m := range images {
		i.Images = append(i.Images, generation.InspectedImage(m))
	}

	return i, nil
}
