package durable_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// TestClock_OfTheDatabaseIsAnother: a worker whose clock is an hour before or behind the database's pushes and works
// jobs when they are due all the same, to the millisecond.
func TestClock_OfTheDatabaseIsAnother(t *testing.T) {
	t.Parallel()

	for _, ahead := range []time.Duration{-time.Hour, time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()

			b := setupOn(t, devtest.Pool(t, devtest.SkewedPostgres(t, ahead)), durable.Timing{Relay: 20 * time.Millisecond})
			b.background(b.queue.Run)

			dueIn := func(task durable.Task) (in time.Duration) {
				t.Helper()
				b.eventually(5*time.Second, func() bool {
					for _, p := range b.engine.pushed() {
						if p.Task == task {
							in = time.Until(p.RunAt)

							return true
						}
					}

					return false
				})

				return in
			}

			now, later := b.stage(), b.stage(durable.After(4*time.Minute))
			require.LessOrEqual(t, dueIn(now), time.Duration(0))
			require.InDelta(t, 240, dueIn(later).Seconds(), 6)

			b.h.handle = func(context.Context, *queue.Job[probe]) error { return queue.Snooze(time.Minute) }
			v := b.runner.Work(t.Context(), now)
			require.Equal(t, time.Minute, v.After)
			require.InDelta(t, 60, b.row(now).DueIn, 6)

			v = b.runner.Work(t.Context(), later)
			require.Equal(t, "not_due", v.Code)
			require.InDelta(t, 240, v.After.Seconds(), 6)

			// Woken, and relayed.
			keyed := b.stage(durable.Key("k"), durable.After(4*time.Minute))
			keyed.Epoch++
			require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
				return b.queue.Wake(t.Context(), tx, "test.probe", "k")
			}))
			require.LessOrEqual(t, dueIn(keyed), time.Duration(0))

			b.background(b.queue.Maintain)

			relayed := durable.Task{Epoch: 1, Queue: "tests", Kind: "test.probe"}
			require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, func(tx pgx.Tx) (err error) {
				relayed.ID, err = b.queue.Stage(t.Context(), tx, probe{}, durable.After(3*time.Minute))

				return err
			}))
			require.InDelta(t, 180, dueIn(relayed).Seconds(), 6)
		})
	}
}
