package durable_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

func TestFindUnattended(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})

	for key, sql := range map[string]string{
		"waits":     `update job set run_at = now() where id = $1`,
		"runs":      `update job set state = 'running', holder = gen_random_uuid(), lease_until = now() where id = $1`,
		"canceled":  `update job set canceling = true where id = $1`,
		"dead":      `update job set state = 'dead', died_at = now() where id = $1`,
		"long dead": `update job set state = 'dead', died_at = now() - interval '2 hours' where id = $1`,
		"removed":   `delete from job where id = $1`,
		"again":     `update job set state = 'dead', died_at = now() where id = $1`,
	} {
		b.exec(sql, b.stage(durable.Key(key)).ID)
	}

	b.stage(durable.Key("again"))

	keys := []string{"waits", "runs", "canceled", "dead", "long dead", "removed", "again", "never"}

	for rest, want := range map[time.Duration][]string{
		0:         {"canceled", "dead", "long dead", "removed", "never"},
		time.Hour: {"canceled", "long dead", "removed", "never"},
	} {
		require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
			found, err := b.queue.FindUnattended(t.Context(), tx, "test.probe", keys, rest)
			require.ElementsMatch(t, want, found, rest)

			return err
		}))
	}
}
