package intake

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/idempotency"
	"imagerun/internal/postgres"
)

// Remix submits again what the user's generation asked for, but for what sub says otherwise. The
// seed is a new one unless sub has one or sameSeed keeps it; the deadline is not taken over, nor whether it is in the background.
// Where sub names another model, settings that it does not have are left to its defaults.
// Errors: those of [Intake.Submit], [generation.ErrNotFound], [generation.ErrDeleted]; a repeat is answered although
// the original has been deleted since.
func (s *Intake) Remix(ctx context.Context, id uuid.UUID, sub generation.Submission, sameSeed bool) (generation.Accepted, error) {
	t, err := s.Tasks.FindOwned(ctx, sub.UserID, id)
	if errors.Is(err, generation.ErrDeleted) && sub.IdempotencyKey != "" {
		return s.answerAsReplay(ctx, sub, err)
	} else if err != nil {
		return generation.Accepted{}, err
	}

	sub.RemixOf = &id
	if sub.Request, err = s.inheritRequest(sub.Request, t, sameSeed); err != nil {
		return generation.Accepted{}, err
	}

	return s.Submit(ctx, sub)
}

// answerAsReplay answers a repeat of an earlier request, or with otherwise where there was none.
func (s *Intake) answerAsReplay(ctx context.Context, sub generation.Submission, otherwise error) (generation.Accepted, error) {
	var record *idempotency.Record

	err := postgres.InTx(ctx, s.Pool, func(tx *postgres.Tx) (err error) {
		record, err = idempotency.Begin(ctx, tx, sub.UserID, sub.IdempotencyKey, sub.Fingerprint)

		return err
	})

	switch {
	case err != nil:
		return generation.Accepted{}, err
	case record == nil:
		return generation.Accepted{}, otherwise
	}

	return s.answerReplay(ctx, sub.UserID, record)
}

// inheritRequest fills in what r does not say from a task.
func (s *Intake) inheritRequest(r catalogue.Request, t db.AiTask, sameSeed bool) (catalogue.Request, error) {
	p, err := task.ParametersOf(t)
	if err != nil {
		return r, err
	}

	earlier := catalogue.Request{
		Model: t.Model, Prompt: t.Prompt, Quality: &p.Quality, NumImages: &p.NumImages, OutputFormat: &p.OutputFormat,
		FallbackModels: p.FallbackModels, Metadata: t.Metadata,
	}

	if !t.NegativePrompt.IsZero() {
		earlier.NegativePrompt = &t.NegativePrompt
	}

	if p.AspectRatio != "" {
		earlier.AspectRatio = &p.AspectRatio
	} else {
		earlier.Width, earlier.Height = &p.Width, &p.Height
	}

	if t.ReferenceUploadID != nil {
		earlier.Reference = &catalogue.Reference{UploadID: *t.ReferenceUploadID, Strength: p.Strength}
	}

	if r.Seed == nil && sameSeed {
		r.Seed = &p.Seed
	}

	return s.Catalogue.Inherit(r, earlier), nil
}
