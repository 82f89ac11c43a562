package durable_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/queue/durable"
)

// TestAdmin_HoldsNoJobWhileItWaits has a transaction hold what an operator's order waits for, and then want the
// order's other job, as one that stages or wakes several does. Nobody waits in a circle, and the order is
// carried out in full.
func TestAdmin_HoldsNoJobWhileItWaits(t *testing.T) {
	t.Parallel()

	cancel := (*durable.Admin).Cancel

	for name, c := range map[string]struct {
		order   func(*durable.Admin, context.Context, durable.Order) (durable.Result, error)
		prepare string // SQL, of the last job's row
		hold    func(ctx context.Context, b *bundle, tx pgx.Tx) error
		changed int
	}{
		"Cancel": {cancel, `attempt = 0`, holdLast, 2},
		"Bury":   {cancel, `kind = 'test.forgotten'`, holdLast, 2},
		"Remove": {cancel, `state = 'dead', died_at = now()`, holdLast, 2},
		"Retry":  {(*durable.Admin).Retry, `attempt = 1`, holdLast, 2},
		"RetryOfAKeyThatIsBeingTaken": {(*durable.Admin).Retry, `state = 'dead', died_at = now()`, func(ctx context.Context, b *bundle, tx pgx.Tx) error {
			_, err := b.queue.Stage(ctx, tx, probe{}, durable.Key("last"))

			return err
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, durable.Timing{})
			other := b.stage(durable.Key("other"), durable.After(time.Hour))
			last := b.stage(durable.Key("last"), durable.After(time.Hour))
			b.exec(`update job set `+c.prepare+` where id = $1`, last.ID)

			tx, err := b.pool.Begin(t.Context())
			require.NoError(t, err)

			defer func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) }()

			require.NoError(t, c.hold(t.Context(), b, tx))

			type answer struct {
				durable.Result

				err error
			}

			answers := make(chan answer, 1)

			go func() {
				res, err := c.order(durable.NewAdmin(b.queue), t.Context(), order(only(other, last)))
				answers <- answer{res, err}
			}()

			b.eventually(5*time.Second, func() (waiting bool) {
				err := b.pool.QueryRow(t.Context(), `select exists (select from pg_stat_activity
					where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waiting)

				return err == nil && waiting
			})

			_, err = b.queue.Stage(t.Context(), tx, probe{}, durable.Key("other"))
			require.NoError(t, err, "the order waits, and has the other job")
			require.NoError(t, tx.Commit(t.Context()))

			got := <-answers
			require.NoError(t, got.err)
			require.Len(t, got.Changed, c.changed)
		})
	}
}

// holdLast locks the job that was staged last, which the order comes to last.
func holdLast(ctx context.Context, _ *bundle, tx pgx.Tx) error {
	_, err := tx.Exec(ctx, `select from job where dedupe_key = 'last' for no key update`)

	return err
}
