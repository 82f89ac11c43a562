package credits_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/postgres"
)

// What was rolled back is not counted, nor what was done again; what follows from a verb is.
func TestMetrics(t *testing.T) {
	t.Parallel()

	b, task := setup(t), uuid.New()
	tx := func(f func(tx *postgres.Tx) error) error { return postgres.InTx(b.ctx, b.pool, f) }

	grant := func(tx *postgres.Tx) error {
		_, err := b.Grant(b.ctx, tx, credits.Grant{
			Subject: b.subject, Source: credits.SourcePromotion, Reference: "promo:1", Credits: 10, ExpiresAt: b.in(time.Minute),
		})

		return err
	}

	require.ErrorIs(t, tx(func(tx *postgres.Tx) error {
		require.NoError(t, grant(tx))

		return errKilled
	}), errKilled)
	require.Zero(t, testutil.CollectAndCount(b.Collectors()[0]))

	require.NoError(t, tx(grant))
	require.NoError(t, tx(grant))
	require.NoError(t, tx(func(tx *postgres.Tx) error {
		_, err := b.Hold(b.ctx, tx, credits.Hold{UserID: b.user, TaskID: task, Credits: 6, AutoRefundAt: b.time.Now().Add(time.Hour)})

		return err
	}))
	require.NoError(t, tx(func(tx *postgres.Tx) error { return b.Capture(b.ctx, tx, task, 0, 2) }))
	b.time.Move(2 * time.Minute)
	require.NoError(t, tx(func(tx *postgres.Tx) error {
		_, err := b.Release(b.ctx, tx, task)

		return err
	}))
	require.NoError(t, tx(func(tx *postgres.Tx) error {
		_, err := b.Refund(b.ctx, tx, credits.Refund{TaskID: task, Request: "1", Credits: 1, Actor: "ada", Reason: credits.ReasonQuality})

		return err
	}))
	require.NoError(t, tx(func(tx *postgres.Tx) error {
		return b.ClawBack(b.ctx, tx, credits.ClawBack{Subject: b.subject, Reference: "promo:1", Event: "e", Credits: 10, Reason: credits.ReasonDispute})
	}))
	b.give(t, credits.SourcePromotion, "promo:2", 3, b.in(time.Minute)) // in a transaction that counts nothing
	b.time.Move(time.Minute)
	_, err := b.Expire(b.ctx, b.pool, 10)
	require.NoError(t, err)

	require.NoError(t, testutil.CollectAndCompare(b.Collectors()[0], strings.NewReader(`
# HELP imagerun_credits_booked_total Credits moved by entries that were committed, by the entry's kind and the source of its grant (empty: of several, or none).
# TYPE imagerun_credits_booked_total counter
imagerun_credits_booked_total{kind="capture",source=""} 2
imagerun_credits_booked_total{kind="charge",source="promotion"} 6
imagerun_credits_booked_total{kind="claw",source="promotion"} 0
imagerun_credits_booked_total{kind="compensation",source="compensation"} 4
imagerun_credits_booked_total{kind="expire",source=""} 4
imagerun_credits_booked_total{kind="expire",source="promotion"} 6
imagerun_credits_booked_total{kind="grant",source="promotion"} 10
imagerun_credits_booked_total{kind="hold",source=""} 6
imagerun_credits_booked_total{kind="refund",source="refund"} 1
imagerun_credits_booked_total{kind="release",source=""} 4
imagerun_credits_booked_total{kind="repay",source="promotion"} 5
`)))
}

func TestTableCollector(t *testing.T) {
	t.Parallel()

	b, other := setup(t), uuid.New()
	c := credits.TableCollector(b.pool, slog.New(slog.DiscardHandler), b.time.Now)

	b.give(t, credits.SourcePack, "creem:1", 10, nil)
	require.NoError(t, b.hold(uuid.New(), 4))
	require.NoError(t, b.hold(other, 1))

	gauges := func() map[string]float64 { return gathered(t, c) }

	require.Equal(t, map[string]float64{
		"imagerun_credit_holds_overdue": 0, "imagerun_credit_hold_overdue_seconds": 0,
		"imagerun_credits_outstanding available": 5, "imagerun_credits_outstanding held": 5, "imagerun_credits_outstanding debt": 0,
	}, gauges())

	// A sum over all users is not made at each scrape.
	b.release(t, other)
	require.InDelta(t, 5, gauges()["imagerun_credits_outstanding held"], 0)

	b.time.Move(time.Hour + 90*time.Second)

	got := gauges()
	require.InDelta(t, 1, got["imagerun_credit_holds_overdue"], 0)
	require.InDelta(t, 90, got["imagerun_credit_hold_overdue_seconds"], 0)
	require.InDelta(t, 4, got["imagerun_credits_outstanding held"], 0)

	// The last audit counts, and an old one is forgotten.
	require.NoError(t, credits.RecordAudit(b.ctx, b.pool, b.time.Now().AddDate(-1, 0, -1), nil))
	require.NoError(t, credits.RecordAudit(b.ctx, b.pool, b.time.Now().Add(-time.Hour), []credits.Violation{{Invariant: "I1"}, {Invariant: "I2"}}))

	got = gauges()
	require.InDelta(t, 2, got["imagerun_credit_audit_breaches"], 0)
	require.InDelta(t, b.time.Now().Add(-time.Hour).Unix(), got["imagerun_credit_audit_timestamp_seconds"], 1)

	forget := credits.NewJobs(b.Ledger, b.pool, slog.New(slog.DiscardHandler)).Retention()[1].Purge

	n, err := forget.Step(b.ctx, forget.Batch)
	require.NoError(t, err)
	require.Equal(t, 1, n)

	var kept int
	require.NoError(t, b.pool.QueryRow(b.ctx, `select count(*) from credit_audit`).Scan(&kept))
	require.Equal(t, 1, kept)

	require.NoError(t, credits.RecordAudit(b.ctx, b.pool, b.time.Now(), nil))
	require.InDelta(t, 0, gauges()["imagerun_credit_audit_breaches"], 0)
}

// While Postgres is away there is nothing to see, and scraping goes on.
func TestTableCollector_PostgresIsAway(t *testing.T) {
	t.Parallel()

	pool, err := pgxpool.New(context.Background(), "postgres://127.0.0.1:1/none")
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	require.Empty(t, gathered(t, credits.TableCollector(pool, slog.New(slog.DiscardHandler), time.Now)))
}

// gathered is what a scrape sees: the gauges, by name and label.
func gathered(t *testing.T, c prometheus.Collector) map[string]float64 {
	t.Helper()

	registry := prometheus.NewRegistry()
	registry.MustRegister(c)

	families, err := registry.Gather()
	require.NoError(t, err)

	all := map[string]float64{}

	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}

			all[name] = m.GetGauge().GetValue()
		}
	}

	return all
}
