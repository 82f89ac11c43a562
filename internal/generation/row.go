package generation

import (
	"context"
	"encoding/json"
	"fmt"

	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"

	"github.com/google/uuid"
)

func parametersOf(t db.AiTask) (catalogue.Parameters, error) {
	var p catalogue.Parameters
	if err := json.Unmarshal(t.Parameters, &p); err != nil {
		return p, fmt.Errorf("decode parameters of %s: %w", t.ID, err)
	}

	return p, nil
}

// modelOf is the model of an attempt; those of an older release had the task's.
func modelOf(t db.AiTask, a db.ProviderAttempt) string {
	if a.Model != nil {
		return *a.Model
	}

	return t.Model
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}

	return &s
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}

	return *s
}

// generationOf is what the row alone says.
func generationOf(t db.AiTask) (Generation, error) {
	p, err := parametersOf(t)
	if err != nil {
		return Generation{}, err
	}

	return generationWith(t, p), nil
}

// generationWith is generationOf where the parameters are known.
func generationWith(t db.AiTask, p catalogue.Parameters) Generation {
	g := Generation{
		ID: t.ID, UserID: t.UserID, Status: Status(t.Status), StatusSequence: t.StatusSequence,
		Model: t.Model, Prompt: t.Prompt, NegativePrompt: t.NegativePrompt, Parameters: p, Metadata: t.Metadata,
		FailureCode: FailureCode(orEmpty(t.FailureCode)), SupportCode: t.SupportCode,
		CreatedAt: t.CreatedAt, DeadlineAt: t.DeadlineAt, AdmittedAt: t.AdmittedAt, FinishedAt: t.FinishedAt,
		Favourite: t.FavouriteAt != nil, RemixOf: t.RemixOf, ReferenceID: t.ReferenceUploadID, ServedModel: orEmpty(t.ServedModel),
		CancelRequested: t.CancelRequested, Delay: delayOf(t), Background: t.Background,
	}
	g.provided(t)

	return g
}

// provided fills in what the provider said of a generation. How far it was stays true while it is stored, and until another
// attempt is further.
func (g *Generation) provided(t db.AiTask) {
	if g.Status.Terminal() {
		return
	}

	if t.Progress != nil {
		g.Progress = new(float64(*t.Progress))
	} else if g.Status == StatusRunning && t.ProviderPosition != nil { // it has not begun
		g.ProviderPosition = new(int(*t.ProviderPosition))
	}
}

// visible returns the row of one generation of the user's. Errors: [ErrNotFound], [ErrDeleted].
func (s *Service) visible(ctx context.Context, userID, id uuid.UUID) (db.AiTask, error) {
	row, err := s.db.TaskGet(ctx, s.Pool, db.TaskGetParams{ID: id, UserID: userID})

	switch {
	case notFound(err):
		gone, err := s.db.TombstoneExists(ctx, s.Pool, db.TombstoneExistsParams{ID: id, UserID: userID})
		if err != nil {
			return db.AiTask{}, fmt.Errorf("look for tombstone of %s: %w", id, err)
		}

		if gone {
			return db.AiTask{}, ErrDeleted
		}

		return db.AiTask{}, ErrNotFound
	case err != nil:
		return db.AiTask{}, fmt.Errorf("read generation %s: %w", id, err)
	case row.AiTask.DeletedAt != nil:
		return db.AiTask{}, ErrDeleted
	}

	return row.AiTask, nil
}
