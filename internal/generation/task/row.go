package task

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

// ParametersOf are the parameters that a task was accepted with.
func ParametersOf(t db.AiTask) (catalogue.Parameters, error) {
	var p catalogue.Parameters
	if err := json.Unmarshal(t.Parameters, &p); err != nil {
		return p, fmt.Errorf("decode parameters of %s: %w", t.ID, err)
	}

	return p, nil
}

// ModelOf is the model of an attempt; those of an older release had the task's.
func ModelOf(t db.AiTask, a db.ProviderAttempt) string {
	if a.Model != nil {
		return *a.Model
	}

	return t.Model
}

// GenerationOf is what the row alone says.
func GenerationOf(t db.AiTask) (generation.Generation, error) {
	p, err := ParametersOf(t)
	if err != nil {
		return generation.Generation{}, err
	}

	return GenerationWith(t, p), nil
}

// GenerationWith is [GenerationOf] where the parameters are known.
func GenerationWith(t db.AiTask, p catalogue.Parameters) generation.Generation {
	g := generation.Generation{
		ID: t.ID, UserID: t.UserID, Status: generation.Status(t.Status), StatusSequence: t.StatusSequence,
		Model: t.Model, Prompt: t.Prompt, NegativePrompt: t.NegativePrompt, Parameters: p, Metadata: t.Metadata,
		FailureCode: generation.FailureCode(postgres.TextOrEmpty(t.FailureCode)), SupportCode: t.SupportCode,
		CreatedAt: t.CreatedAt, DeadlineAt: t.DeadlineAt, AdmittedAt: t.AdmittedAt, FinishedAt: t.FinishedAt,
		Favourite: t.FavouriteAt != nil, RemixOf: t.RemixOf, ReferenceID: t.ReferenceUploadID, ServedModel: postgres.TextOrEmpty(t.ServedModel),
		CancelRequested: t.CancelRequested, Delay: delayOf(t), Background: t.Background,
	}
	setProviderProgress(&g, t)

	return g
}

// setProviderProgress fills in what the provider said of a generation. How far it was stays true while it is stored, and until
// another attempt is further.
func setProviderProgress(g *generation.Generation, t db.AiTask) {
	switch {
	case g.Status.Terminal():
	case t.Progress != nil:
		g.Progress = new(float64(*t.Progress))
	case g.Status == generation.StatusRunning && t.ProviderPosition != nil: // it has not begun
		g.ProviderPosition = new(int(*t.ProviderPosition))
	}
}

// FindOwned returns the row of one generation of the user's. Errors: [generation.ErrNotFound], [generation.ErrDeleted].
func (s *Tasks) FindOwned(ctx context.Context, userID, id uuid.UUID) (db.AiTask, error) {
	row, err := s.db.TaskGet(ctx, s.Pool, db.TaskGetParams{ID: id, UserID: userID})

	switch {
	case postgres.IsNotFound(err):
		gone, err := s.db.TombstoneExists(ctx, s.Pool, db.TombstoneExistsParams{ID: id, UserID: userID})
		if err != nil {
			return db.AiTask{}, fmt.Errorf("look for tombstone of %s: %w", id, err)
		}

		if gone {
			return db.AiTask{}, generation.ErrDeleted
		}

		return db.AiTask{}, generation.ErrNotFound
	case err != nil:
		return db.AiTask{}, fmt.Errorf("read generation %s: %w", id, err)
	case row.AiTask.DeletedAt != nil:
		return db.AiTask{}, generation.ErrDeleted
	}

	return row.AiTask, nil
}
