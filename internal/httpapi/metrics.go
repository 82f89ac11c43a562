package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what the edge does. Labels are route patterns, methods, status classes and codes of problems only.
type Metrics struct {
	requests    *prometheus.CounterVec
	unavailable *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	streams     prometheus.Gauge
	refused     prometheus.Counter
}

// NewMetrics returns metrics at zero; register its Collectors once.
func NewMetrics() *Metrics {
	return &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_http_requests_total",
			Help: "Requests handled, by route pattern, method and class of status.",
		}, []string{"route", "method", "status"}),
		unavailable: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_http_unavailable_total",
			Help: "Requests answered with 503, by the code that says what did not answer us.",
		}, []string{"code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "imagerun_http_request_duration_seconds",
			Help:    "Time from the first byte of a request to the end of its reply; waits and streams included.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route", "method"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "imagerun_http_streams_open",
			Help: "Event streams open now.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "imagerun_http_connections_refused_total",
			Help: "Connections closed at once because there were too many, in all or of one address.",
		}),
	}
}

// Collectors returns everything to register.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.duration, m.streams, m.refused, m.unavailable}
}

func (m *Metrics) observe(route, method string, status int, code string, took time.Duration) {
	method = knownMethod(method)

	if status == http.StatusServiceUnavailable {
		m.unavailable.WithLabelValues(code).Inc()
	}

	m.requests.WithLabelValues(route, method, strconv.Itoa(status/100)+"xx").Inc()
	m.duration.WithLabelValues(route, method).Observe(took.Seconds())
}

// knownMethod keeps a caller from making up label values and log words.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	default:
		return "other"
	}
}
