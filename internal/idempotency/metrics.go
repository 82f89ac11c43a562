package idempotency

import "github.com/prometheus/client_golang/prometheus"

// Collectors are none.
func (r *Records) Collectors() []prometheus.Collector { return nil }
