package jobaudit

import "github.com/prometheus/client_golang/prometheus"

// Collectors are none: durable.Queue counts.
func (a *Audit) Collectors() []prometheus.Collector { return nil }
