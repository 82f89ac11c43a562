package httpapi

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/fault"
)

// Metrics counts what the edge does. Labels are route patterns, methods, status classes and words from closed lists only.
type Metrics struct {
	requests    *prometheus.CounterVec
	unavailable *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	streams     prometheus.Gauge
	refused     prometheus.Counter
	webhooks    *prometheus.CounterVec
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
			Help:    "Time from the first byte of a request to the end of its reply; lasting: it waited, streamed or downloaded.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"route", "method", "lasting"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "imagerun_http_requests_in_flight",
			Help: "Requests being handled now; waits and streams included.",
		}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "imagerun_http_streams_open",
			Help: "Event streams open now.",
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "imagerun_http_connections_refused_total",
			Help: "Connections closed at once because there were too many, in all or of one address.",
		}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "imagerun_webhooks_received_total",
			Help: "Notices of vendors, by who sent them and what became of them. There from the start where some are expected.",
		}, []string{"source", "outcome"}),
	}
}

// Collectors returns everything to register.
func (m *Metrics) Collectors() []prometheus.Collector {
	return []prometheus.Collector{m.requests, m.duration, m.inFlight, m.streams, m.refused, m.unavailable, m.webhooks}
}

// The outcomes of a notice.
const (
	webhookAccepted = "accepted" // kept, now or before
	webhookForged   = "forged"
	webhookUnknown  = "unknown" // genuine, and of nothing that we have
	webhookFailed   = "failed"  // not read, not checked or not kept: it is sent again
)

// ExpectWebhooks has the notices of a source counted from zero on, so that their absence can be told from a source that sends none.
func (m *Metrics) ExpectWebhooks(source string) {
	for _, outcome := range []string{webhookAccepted, webhookForged, webhookUnknown, webhookFailed} {
		m.webhooks.WithLabelValues(source, outcome)
	}
}

func (m *Metrics) countWebhook(source string, err error) {
	outcome := webhookFailed

	switch f := fault.Of(err); {
	case err == nil:
		outcome = webhookAccepted
	case f.Kind == fault.Unauthenticated:
		outcome = webhookForged
	case f.Kind == fault.NotFound:
		outcome = webhookUnknown
	}

	m.webhooks.WithLabelValues(source, outcome).Inc()
}

func (m *Metrics) observeRequest(x *exchange, method string, status int, took time.Duration) {
	method = knownMethod(method)

	if status == http.StatusServiceUnavailable {
		m.unavailable.WithLabelValues(x.code).Inc()
	}

	m.requests.WithLabelValues(x.pattern, method, strconv.Itoa(status/100)+"xx").Inc()
	m.duration.WithLabelValues(x.pattern, method, strconv.FormatBool(x.lasts)).Observe(took.Seconds())
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
