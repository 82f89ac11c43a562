package betterauth

import "github.com/prometheus/client_golang/prometheus"

// Collectors are none: the auth service counts.
func (a *Accounts) Collectors() []prometheus.Collector { return nil }
