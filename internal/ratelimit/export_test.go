package ratelimit

import "github.com/prometheus/client_golang/prometheus"

// Checks counts questions by who judged.
func (m *Metrics) Checks() *prometheus.CounterVec { return m.checks }

// Refused counts refusals by policy.
func (m *Metrics) Refused() *prometheus.CounterVec { return m.refused }
