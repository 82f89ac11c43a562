package devtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
)

// AddColumns gives each table a column of a new name, and those that any other table has: a later release may add any
// of them while this one runs, but for what names a person in a table of credits, which audits refuse. The pool is the
// tables' owner's.
func AddColumns(t testing.TB, owner *pgxpool.Pool) {
	t.Helper()

	rows, err := owner.Query(t.Context(), `
		with tables as (
			select oid, oid::regclass as name from pg_class
			where relkind in ('r', 'p') and relnamespace in ('public'::regnamespace, 'auth'::regnamespace)
		), columns as (
			select distinct on (a.attname) a.attname as name, format_type(a.atttypid, a.atttypmod) as type
			from pg_attribute a join tables t on t.oid = a.attrelid where a.attnum > 0 and not a.attisdropped
			union all select 'of_the_next_release', 'text'
		)
		select format('alter table %s %s', t.name, string_agg(format('add column %I %s', c.name, c.type), ', '))
		from tables t, columns c
		where not exists (select from pg_attribute a where a.attrelid = t.oid and a.attname = c.name)
			and not (t.name::text ~ '^(user_credit|credit|ledger|signup)' and c.name ~ '(user_id|email|name|^ip|prompt)')
		group by t.name`)
	require.NoError(t, err)

	orders, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Greater(t, len(orders), 25, "too few tables")

	for _, order := range orders {
		_, err := owner.Exec(t.Context(), order)
		require.NoError(t, err, order)
	}
}
