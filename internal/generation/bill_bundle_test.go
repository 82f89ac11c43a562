package generation_test

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/generation/bills"
	"imagerun/internal/jobs"
	"imagerun/internal/providers"
	"imagerun/queue/durable"
)

// fakeBiller lists the events it has, two on a page. Its function may be replaced to fail.
type fakeBiller struct {
	mu     sync.Mutex
	events []providers.BillingEvent
	asked  []providers.BillingQuery
	reply  func() error
}

func (f *fakeBiller) BillingEvents(_ context.Context, q providers.BillingQuery) (page providers.BillingPage, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.asked = append(f.asked, q)

	if f.reply != nil {
		if err := f.reply(); err != nil {
			return page, err
		}
	}

	const size = 2

	skip, _ := strconv.Atoi(q.Cursor)

	for _, e := range f.events {
		if e.At.Before(q.From) || !e.At.Before(q.To) || len(q.RequestIDs) > 0 && !slices.Contains(q.RequestIDs, e.RequestID) {
			continue
		}

		if skip--; skip >= 0 {
			continue
		}

		if len(page.Events) == size {
			from, _ := strconv.Atoi(q.Cursor)
			page.Next = strconv.Itoa(from + size)

			break
		}

		page.Events = append(page.Events, e)
	}

	return page, nil
}

// bill has the provider charge for a request of z-image-turbo.
func (f *fakeBiller) bill(request string, at time.Time, units string, nanoUSD int64) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.events = append(f.events, providers.BillingEvent{RequestID: request, Endpoint: "fal-ai/z-image/turbo", At: at, Units: units, NanoUSD: nanoUSD})
}

// setupBilled is a bundle whose bills are compared from now on.
func setupBilled(t *testing.T) (*bundle, *fakeBiller) {
	t.Helper()

	b, biller := setup(t), &fakeBiller{}
	b.Bills.Biller = biller
	b.compareBills(t)

	return b, biller
}

// compareBills runs what the schedule stages each night.
func (b *bundle) compareBills(t *testing.T) {
	t.Helper()
	b.ledger(t, func(tx pgx.Tx) error {
		_, err := b.jobs.Queue().Stage(t.Context(), tx, jobs.CompareBills{}, durable.Key("bills"))

		return err
	})
	b.jobs.RunAll(t.Context())
}

// nextNight is a day later.
func (b *bundle) nextNight(t *testing.T) {
	t.Helper()
	b.pass(t, 24*time.Hour)
	b.compareBills(t)
}

// collectBills returns what a scheduler exports of the comparison, by name and label.
func (b *bundle) collectBills(t *testing.T, credit float64) map[string]float64 {
	t.Helper()

	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(bills.Collector(b.pool, slog.New(slog.DiscardHandler), credit))

	families, err := registry.Gather()
	require.NoError(t, err)

	all := map[string]float64{}

	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "imagerun_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}

			all[name] = m.GetGauge().GetValue()
		}
	}

	return all
}

// differences are those that there are.
func (b *bundle) differences(t *testing.T) map[string]float64 {
	t.Helper()

	found := map[string]float64{}

	for name, n := range b.collectBills(t, 0) {
		if kind, is := strings.CutPrefix(name, "provider_bill_differences "); is && n > 0 {
			found[kind] = n
		}
	}

	return found
}

// succeed makes one picture, for which the provider tells so many units.
func (b *bundle) succeed(t *testing.T, units string) generation.Generation {
	t.Helper()

	g := b.start(t)
	b.provider.finish(t, len(b.provider.requests)-1, func(r *providers.Result) { r.Units = units })
	b.pass(t, 30*time.Second)
	require.Equal(t, generation.StatusSucceeded, b.get(t, g.ID).Status)

	return g
}
