package generation

import (
	"context"
	"log/slog"
	"time"
)

// WantAdmission asks for a round of admission soon. It never blocks, and any number of wishes
// before the next round are one.
func (s *Service) WantAdmission() {
	select {
	case s.admit <- struct{}{}:
	default:
	}
}

// RunAdmission admits whenever it is wanted, and each tick (zero: never) even if not, until ctx
// ends. Every process that accepts or finishes generations runs it; schedulers with a tick.
func (s *Service) RunAdmission(ctx context.Context, tick time.Duration) {
	var ticks <-chan time.Time

	if tick > 0 {
		t := time.NewTicker(tick)
		defer t.Stop()

		ticks = t.C
	}

	for {
		select {
		case <-ctx.Done():
			return
		case <-s.admit:
		case <-ticks:
		}

		for _, provider := range s.Catalogue.Providers() {
			if _, err := s.Admit(ctx, provider); err != nil && ctx.Err() == nil {
				s.Log.Error("admission did not work", slog.String("provider", provider), slog.Any("error", err))
			}
		}
	}
}

// Admit gives free slots to waiting generations and returns how many got one. Rounds of all
// processes take turns under an advisory lock.
func (s *Service) Admit(ctx context.Context, provider string) (admitted int, err error) {
	for {
		n, err := s.admitRound(ctx, provider)

		admitted += n
		if err != nil || n < admitMost {
			return admitted, err
		}
	}
}
