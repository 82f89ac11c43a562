package generation_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/generation/history"
	"imagerun/internal/providers"
)

// What an attempt cost is exact, by model, and beside what its user paid; a second look changes nothing.
func TestBills_Cost(t *testing.T) {
	t.Parallel()

	b, biller := setupBilled(t)
	g := b.succeed(t, "0.786432")

	i, err := history.Inspect(t.Context(), b.pool, g.ID)
	require.NoError(t, err)
	require.Equal(t, "0.786432", *i.Attempts[0].UnitsTold)
	require.Nil(t, i.Attempts[0].CostNanoUSD)

	// In two parts, on two pages.
	biller.bill("other", b.now.Now(), "1", 0)
	biller.bill("request-a", b.now.Now(), "0.5", 2_500_001)
	biller.bill("request-a", b.now.Now(), "0.286432", 1_432_159)
	b.nextNight(t)

	i, err = history.Inspect(t.Context(), b.pool, g.ID)
	require.NoError(t, err)
	require.Equal(t, "0.786432", *i.Attempts[0].UnitsBilled)
	require.EqualValues(t, 3_932_160, *i.Attempts[0].CostNanoUSD)
	require.Empty(t, b.differences(t))

	paid := b.get(t, g.ID).Cost.Captured
	require.Positive(t, paid)

	for range 2 {
		got := b.collectBills(t, 0.25)
		require.InDelta(t, 0.00393216, got["model_cost_usd z-image-turbo"], 1e-12)
		require.InDelta(t, float64(paid)*0.25, got["model_revenue_usd z-image-turbo"], 1e-12)
		require.InDelta(t, float64(b.now.Now().UnixMilli())/1000, got["provider_bills_compared_timestamp_seconds"], 1e-3)

		asked := len(biller.asked)
		b.compareBills(t)
		require.Len(t, biller.asked, asked, "everything is known")
	}

	require.NotContains(t, b.collectBills(t, 0), "model_revenue_usd z-image-turbo", "nobody has said what a credit is worth")
}

// Each kind of difference is counted as what it is, and what is none is none.
func TestBills_Differences(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		act  func(t *testing.T, b *bundle, biller *fakeBiller)
		want map[string]float64
	}{
		"None": {func(t *testing.T, b *bundle, biller *fakeBiller) {
			t.Helper()
			b.succeed(t, "1.0")
			biller.bill("request-a", b.now.Now(), "1", 5e6)
		}, map[string]float64{}},
		"NotTold": {func(t *testing.T, b *bundle, biller *fakeBiller) {
			t.Helper()
			b.succeed(t, "")
			biller.bill("request-a", b.now.Now(), "1", 5e6)
		}, map[string]float64{}},
		"Units": {func(t *testing.T, b *bundle, biller *fakeBiller) {
			t.Helper()
			b.succeed(t, "1")
			biller.bill("request-a", b.now.Now(), "2", 1e7)
		}, map[string]float64{"units": 1}},
		"Failed": {func(t *testing.T, b *bundle, biller *fakeBiller) {
			t.Helper()
			b.start(t)
			b.provider.failed["request-a"] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureInvalidRequest), Units: "0"}
			b.pass(t, 30*time.Second)
			biller.bill("request-a", b.now.Now(), "1", 5e6)
		}, map[string]float64{"failed": 1}},
		"FailedForNothing": {func(t *testing.T, b *bundle, _ *fakeBiller) {
			t.Helper()
			b.start(t)
			b.provider.failed["request-a"] = &providers.Error{Class: providers.Rejected, Code: string(generation.FailureInvalidRequest)}
			b.pass(t, 30*time.Second)
			b.pass(t, 8*24*time.Hour)
		}, map[string]float64{}},
		"Blocked": {func(t *testing.T, b *bundle, biller *fakeBiller) {
			t.Helper()
			b.start(t)
			b.provider.finish(t, 0, func(r *providers.Result) { r.Images[0].Blocked = true })
			b.pass(t, 30*time.Second)
			biller.bill("request-a", b.now.Now(), "1", 5e6)
		}, map[string]float64{}},
		"Unknown": {func(_ *testing.T, b *bundle, biller *fakeBiller) {
			biller.bill("stranger", b.now.Now(), "1", 5e6)
			biller.bill("of-nothing", b.now.Now(), "0", 0)
		}, map[string]float64{"unknown": 1}},
		"StillRuns": {func(t *testing.T, b *bundle, biller *fakeBiller) {
			t.Helper()
			b.start(t, func(s *generation.Submission) { s.DeadlineSeconds = new(3600) })
			biller.bill("request-a", b.now.Now(), "1", 5e6)
		}, map[string]float64{}},
		"Pending": {func(t *testing.T, b *bundle, _ *fakeBiller) {
			t.Helper()
			b.succeed(t, "1")
		}, map[string]float64{"pending": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b, biller := setupBilled(t)
			c.act(t, b, biller)
			b.nextNight(t)
			require.Equal(t, c.want, b.differences(t))

			b.compareBills(t)
			require.Equal(t, c.want, b.differences(t), "it counts nothing twice")
		})
	}
}

// A bill that is late is found in a later night; one that does not come within a week is not looked for any more.
func TestBills_Late(t *testing.T) {
	t.Parallel()

	b, biller := setupBilled(t)
	b.succeed(t, "1")
	b.succeed(t, "1")
	ended := b.now.Now()

	b.nextNight(t)
	require.Equal(t, map[string]float64{"pending": 2}, b.differences(t))

	biller.bill("request-b", ended, "1", 5e6)
	b.nextNight(t)
	require.Equal(t, map[string]float64{"pending": 1}, b.differences(t))
	require.InDelta(t, 0.005, b.collectBills(t, 0)["model_cost_usd z-image-turbo"], 1e-12)

	for range 5 {
		b.nextNight(t)
	}

	require.Equal(t, map[string]float64{"unbilled": 1}, b.differences(t))

	asked := len(biller.asked)
	b.nextNight(t)
	require.Empty(t, b.differences(t))
	require.Len(t, biller.asked, asked+24, "only what is new is listed, an hour at a time")
}
