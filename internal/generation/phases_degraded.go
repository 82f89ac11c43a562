package generation

import (
	"context"
	"time"
)

// Degraded returns the models that are failing and since when: their generations wait, or go to
// a model that their users allow.
func (s *Service) Degraded(ctx context.Context) (map[string]time.Time, error) {
	open, err := s.models.opened(ctx, s.Pool)
	if err != nil {
		return nil, err
	}

	since := make(map[string]time.Time, len(open))
	for model, row := range open {
		since[model] = *row.OpenedAt
	}

	return since, nil
}
