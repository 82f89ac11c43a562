package admission

import (
	"context"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/admission/estimate"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/db"
)

// Forecast fills in what is known of the times to come: places in the queue, starts, ends.
func (s *Admission) Forecast(ctx context.Context, tasks []db.AiTask, at map[uuid.UUID]*generation.Generation) error {
	waiting := make(map[string][]uuid.UUID) // by provider
	live := false

	for _, t := range tasks {
		live = live || t.FinishedAt == nil

		if generation.Status(t.Status) == generation.StatusQueued && t.AdmittedAt == nil {
			waiting[t.Provider] = append(waiting[t.Provider], t.ID)
		}
	}

	if !live {
		return nil
	}

	typical, err := s.took.Typical(ctx)
	if err != nil {
		return err
	}

	if len(waiting) > 0 {
		if err := s.delayWaiting(ctx, tasks, at); err != nil {
			return err
		}
	}

	for provider, ids := range waiting {
		if err := s.fillPositions(ctx, provider, tasks[0].UserID, ids, at, typical); err != nil {
			return err
		}
	}

	for _, g := range at {
		took, known := typical.Of(KindOf(g.Model, g.Parameters))
		if known && g.AdmittedAt != nil && g.FinishedAt == nil && g.AdmittedAt.Add(took).After(s.Now()) {
			g.EstimatedFinishAt = new(g.AdmittedAt.Add(took))
		}
	}

	return nil
}

// Typical returns how long generations take, as measured of late.
func (s *Admission) Typical(ctx context.Context) (estimate.Typical, error) {
	return s.took.Typical(ctx)
}

// delayWaiting says of those that have no turn that they wait for models which no worker may try now.
func (s *Admission) delayWaiting(ctx context.Context, tasks []db.AiTask, at map[uuid.UUID]*generation.Generation) error {
	open, err := s.Models.Opened(ctx, s.Pool)
	if err != nil || len(open) == 0 {
		return err
	}

	for _, t := range tasks {
		g := at[t.ID]
		if g.Status != generation.StatusQueued || g.AdmittedAt != nil || g.Delay != nil {
			continue
		}

		for i, model := range append([]string{g.Model}, g.Parameters.FallbackModels...) {
			row, ok := open[model]
			if !ok {
				g.Delay = nil // this one may be tried

				break
			}

			left := max(0, s.Models.UntilProbe(row))
			if next := s.Now().Add(left); i == 0 || next.Before(*g.Delay.Next) {
				g.Delay = &generation.Delay{Reason: generation.DelayModelFailing, Since: *row.OpenedAt, Next: &next}
			}
		}
	}

	return nil
}

// KindOf is what an estimate goes by.
func KindOf(model string, p catalogue.Parameters) estimate.Kind {
	return estimate.Kind{Model: model, Quality: p.Quality, Images: p.NumImages}
}
