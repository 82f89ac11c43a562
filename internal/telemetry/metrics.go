package telemetry

import (
	"runtime"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewRegistry returns a registry of its own with what every process tells: the Go runtime, the
// operating system's view of it, and which build it is.
func NewRegistry(process, version string) *prometheus.Registry {
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "imagerun_build_info",
		Help: "Always 1; the labels say which process and build this is.",
		ConstLabels: prometheus.Labels{
			"process": process, "version": version, "go_version": runtime.Version(),
		},
	})
	build.Set(1)

	registry := prometheus.NewRegistry()
	registry.MustRegister(build, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	return registry
}
