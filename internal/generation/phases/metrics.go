package phases

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Collectors are what the process registers.
func (s *Service) Collectors() []prometheus.Collector {
	return slices.Concat(s.Intake.Collectors(), s.Tasks.Collectors(), s.Attempts.Collectors(), s.models.Collectors())
}
