package generation_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/providers"
)

// A generation that is erased before its bill comes leaves its cost, and nothing that leads to it: its bill is none that we do
// not know, and one that we do not know still is.
func TestBills_Erased(t *testing.T) {
	t.Parallel()

	b, biller := setupBilled(t)
	g := b.succeed(t, "1")
	ended := b.now.Now()

	require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
	b.pass(t, time.Minute)
	require.True(t, erased(t, b))

	var rows string

	require.NoError(t, b.pool.QueryRow(t.Context(), `select string_agg(to_jsonb(c)::text, '') from provider_cost c`).Scan(&rows))
	require.NotContains(t, rows, "request-a")
	require.Contains(t, rows, `"attempt_id": null`)
	require.Contains(t, rows, `:00:00`, "the hour alone")

	biller.bill("request-a", ended, "1", 5e6)
	b.nextNight(t)
	require.Empty(t, b.differences(t))
	require.InDelta(t, 0.005, b.collectBills(t, 0)["model_cost_usd z-image-turbo"], 1e-12)

	biller.bill("stranger", b.now.Now(), "1", 5e6)
	b.nextNight(t)
	require.Equal(t, map[string]float64{"unknown": 1}, b.differences(t))
}

// However many bills are looked for, a question names no more than the provider allows, and a day's report has them all.
func TestBills_Many(t *testing.T) {
	t.Parallel()

	const many = 2*providers.MaxBilledRequests + 7

	b, biller := setupBilled(t)
	b.succeed(t, "1")

	_, err := b.pool.Exec(t.Context(), `insert into provider_cost (request_id, model, endpoint, ended_at, delivered, images, credits)
		select 'n-' || n, 'flux-dev', 'fal-ai/flux/dev', $1, true, 1, 5 from generate_series(1, $2) n`, b.now.Now(), many)
	require.NoError(t, err)

	for n := range many {
		biller.bill(fmt.Sprintf("n-%d", n+1), b.now.Now(), "1", 25e6)
	}

	b.nextNight(t)
	require.InDelta(t, many*0.025, b.collectBills(t, 0)["model_cost_usd flux-dev"], 1e-9)

	named := map[string]bool{}

	for _, q := range biller.asked {
		require.LessOrEqual(t, len(q.RequestIDs), providers.MaxBilledRequests)
		require.Less(t, q.To.Sub(q.From), 90*24*time.Hour)

		for _, id := range q.RequestIDs {
			named[id] = true
		}
	}

	require.Len(t, named, many+1)
}

// Whatever call fails, and whether the provider had answered it or not, the job goes on from what is written down, and
// what it did before is not done again.
func TestBills_CallsFail(t *testing.T) {
	t.Parallel()

	for name, answered := range map[string]bool{"AndDidNotHappen": false, "ButDidHappen": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b, biller := setupBilled(t)

			// Two erased, of the same endpoint and hour: a bill that was booked twice would take the other's row.
			var gone []uuid.UUID
			for range 2 {
				gone = append(gone, b.succeed(t, "1").ID)
			}

			b.succeed(t, "1")

			for _, id := range gone {
				require.NoError(t, b.Delete(t.Context(), b.user, id))
			}

			b.pass(t, time.Minute)

			for n, id := range []string{"request-a", "request-b", "request-c", "stranger"} {
				biller.bill(id, b.now.Now(), "1", int64(n+1)*1e6)
			}

			calls, fails := 0, 0
			biller.reply = func() error {
				if calls++; calls%4 != 2 { // the second page of a window, the first time
					return nil
				}

				fails++

				if !answered {
					biller.asked = biller.asked[:len(biller.asked)-1]
				}

				return &providers.Error{Class: providers.Transient, Code: "provider_error"}
			}

			b.pass(t, 8*time.Hour)
			b.compareBills(t)

			for range 100 {
				b.jobs.RunNextEarly(t.Context())
			}

			require.Positive(t, fails)
			require.Empty(t, b.jobs.Pending())
			require.Empty(t, b.jobs.Dead())
			require.Equal(t, map[string]float64{"unknown": 1}, b.differences(t))
			require.InDelta(t, 0.006, b.collectBills(t, 0)["model_cost_usd z-image-turbo"], 1e-12, "of all three, whatever it was matched with")
		})
	}
}

// A request that became known after its bill was taken for an unknown one is unknown no more.
func TestBills_KnownLater(t *testing.T) {
	t.Parallel()

	b, biller := setupBilled(t)
	b.provider.reply = func() error { return &providers.Error{Class: providers.Unknown} }
	b.start(t)
	b.provider.reply = nil
	biller.bill("request-a", b.now.Now(), "1", 5e6)

	b.now.Move(24 * time.Hour)
	b.compareBills(t)
	require.Equal(t, map[string]float64{"unknown": 1}, b.differences(t))

	b.provider.finish(t, 0)
	b.callback(t, 0, "request-a")
	b.pass(t, time.Minute)
	_, err := b.ExpireDue(t.Context())
	require.NoError(t, err)
	b.pass(t, 24*time.Hour)
	b.compareBills(t)
	require.NotContains(t, b.differences(t), "unknown")
}

// Without a key that may read bills, that is said once, and nothing is done.
func TestBills_NoKey(t *testing.T) {
	t.Parallel()

	var log bytes.Buffer

	b := setup(t)
	b.Bills.Log = slog.New(slog.NewJSONHandler(&log, nil))

	for range 3 {
		b.compareBills(t)
	}

	require.Equal(t, 1, strings.Count(log.String(), "fal.admin_key"))
	require.Empty(t, b.collectBills(t, 1))
}
