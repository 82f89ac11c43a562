package outbound_test

import (
	"context"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
	"imagerun/internal/outbound"
)

// answer has a vendor answer by a status that changes; zero: not at all.
func answer(status *atomic.Int64) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if status.Load() == 0 {
			hijack(w, "")

			return
		}

		w.WriteHeader(int(status.Load()))
	}
}

func TestBreaker_LeavesAVendorAlone(t *testing.T) {
	t.Parallel()

	var status atomic.Int64

	metrics := outbound.NewMetrics()
	b := setup(t, answer(&status), func(o *outbound.Options) { o.BreakAfter, o.BreakFor, o.Metrics = 3, time.Hour, metrics })

	// Neither an answer that says no nor a caller that leaves is a failure of the vendor, and each answer forgets those before.
	left, cancel := context.WithCancel(t.Context())
	cancel()

	for _, s := range []int64{0, 503, 404, 0, 503, 429} {
		status.Store(s)

		_, _ = b.do()
		_, err := b.client.Do(left, call(b.url))
		requireFailed(t, err, outbound.NotSent, fault.Unavailable, "outbound_canceled")
	}

	require.EqualValues(t, 6, b.calls.Load())

	// No answer and a 5xx are, and the caller sees them as they are.
	for _, s := range []int64{0, 503, 503} {
		status.Store(s)

		re, err := b.do()
		require.Equal(t, s == 0, err != nil)
		require.EqualValues(t, s, re.Status)
	}

	_, err := b.do()
	requireFailed(t, err, outbound.NotSent, fault.Unavailable, "outbound_breaker_open")
	require.EqualValues(t, 9, b.calls.Load())
	require.InDelta(t, 1, testutil.ToFloat64(metrics.Collectors()[1]), 0)
}

func TestBreaker_LetsOneTryAfterAWhile(t *testing.T) {
	t.Parallel()

	var status atomic.Int64

	metrics := outbound.NewMetrics()
	b := setup(t, answer(&status), func(o *outbound.Options) { o.BreakAfter, o.BreakFor, o.Metrics = 1, 50*time.Millisecond, metrics })

	_, err := b.do()
	requireFailed(t, err, outbound.MayHaveHappened, fault.Unavailable, "outbound_truncated")
	require.InDelta(t, 1, testutil.ToFloat64(metrics.Collectors()[1]), 0)

	status.Store(http.StatusOK)
	require.Eventually(t, func() bool {
		_, err := b.do()

		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	require.InDelta(t, 0, testutil.ToFloat64(metrics.Collectors()[1]), 0)
}
