package durable_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue/durable"
)

// TestJobTable_StaysSmall puts 20,000 jobs through the table, 500 live at a time, and has it
// vacuumed when autovacuum would: the space of dead rows is used again, in the table and in its
// indexes.
func TestJobTable_StaysSmall(t *testing.T) {
	t.Parallel()

	// A server of its own: whoever connects to a server holds back dead rows of all its databases.
	own := devtest.OwnPostgres(t)
	b := setupOn(t, devtest.Pool(t, own.AppURL), durable.Timing{})

	keeper, err := pgx.Connect(t.Context(), own.OwnerURL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = keeper.Close(context.WithoutCancel(t.Context())) })

	var options []string

	require.NoError(t, keeper.QueryRow(t.Context(), `select reloptions from pg_class where oid = 'job'::regclass`).Scan(&options))
	require.Subset(t, options, []string{
		"fillfactor=70", "autovacuum_vacuum_scale_factor=0", "autovacuum_vacuum_threshold=1000", "autovacuum_vacuum_cost_delay=0",
	})

	// So does autovacuum when it analyzes.
	_, err = keeper.Exec(t.Context(), `alter table job set (autovacuum_enabled = false)`)
	require.NoError(t, err)

	size := func() (bytes int64) {
		require.NoError(t, keeper.QueryRow(t.Context(), `select pg_total_relation_size('job')`).Scan(&bytes))

		return bytes
	}

	var early int64

	const rounds = 40
	for round := range rounds {
		b.exec(`insert into job (kind, queue, args) select 'test.probe', 'tests', '{}' from generate_series(1, 500)`)
		b.exec(`update job set state = 'pushed'`)
		b.exec(`update job set state = 'running', holder = gen_random_uuid(), lease_until = now() + interval '10 seconds'`)
		b.exec(`update job set lease_until = lease_until + interval '3 seconds'`)
		b.exec(`delete from job`)

		_, err := keeper.Exec(t.Context(), `vacuum job`)
		require.NoError(t, err)

		if round == rounds/4 {
			early = size()
		}
	}

	t.Logf("%d kB after %d jobs, %d kB after %d", early>>10, rounds/4*500, size()>>10, rounds*500)
	require.LessOrEqual(t, size(), early*3/2)
	require.Less(t, size(), int64(4<<20))
}
