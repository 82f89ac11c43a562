package outbound_test

import (
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"imagerun/internal/outbound"
)

func TestMetrics_CountByVendorOperationAndOutcome(t *testing.T) {
	t.Parallel()

	var status atomic.Int64

	metrics := outbound.NewMetrics()
	b := setup(t, answer(&status), func(o *outbound.Options) { o.Metrics = metrics })

	for _, s := range []int64{200, 201, 404, 503, 0} {
		status.Store(s)

		_, _ = b.do()
	}

	_, err := b.do(func(c *outbound.Call) { c.Operation, c.URL = "cancel", ":" })
	require.Error(t, err)

	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.Collectors()...)

	families, err := registry.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Equal(t, "imagerun_outbound_call_duration_seconds", families[0].GetName())

	got := map[string]uint64{}

	for _, m := range families[0].GetMetric() {
		key := ""
		for _, l := range m.GetLabel() {
			key += l.GetName() + "=" + l.GetValue() + " "
		}

		got[key] = m.GetHistogram().GetSampleCount()
	}

	require.Equal(t, map[string]uint64{
		"operation=order outcome=2xx vendor=acme ":               2,
		"operation=order outcome=4xx vendor=acme ":               1,
		"operation=order outcome=5xx vendor=acme ":               1,
		"operation=order outcome=may_have_happened vendor=acme ": 1,
		"operation=cancel outcome=not_sent vendor=acme ":         1,
	}, got)
}
