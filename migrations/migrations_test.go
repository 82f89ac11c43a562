package migrations_test

import (
	"flag"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/migrations"
)

var update = flag.Bool("update", false, "write schema.sql and rights.txt")

func TestMain(m *testing.M) { devtest.Main(m) }

func TestFiles(t *testing.T) {
	t.Parallel()

	names, err := fs.Glob(migrations.FS, "*")
	require.NoError(t, err)
	require.NotEmpty(t, names)

	numbers := make(map[string]string)

	for _, name := range names {
		number, _, _ := strings.Cut(name, "_")
		require.Len(t, number, 5, "%s: a number of five digits, then a word", name)
		require.Empty(t, numbers[number], "%s has the number of another", name)

		numbers[number] = name

		text, err := fs.ReadFile(migrations.FS, name)
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), "-- Owner: "), "%s: say first which package owns it", name)
		require.Contains(t, string(text), "-- +goose Up\n", name)
		require.Contains(t, string(text), "-- +goose Down\n", name)
	}
}

func TestMigrate_FromZero(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	pool := devtest.Pool(t, owner)

	_, err := pool.Exec(t.Context(), "create database from_zero")
	require.NoError(t, err)

	cfg, err := pgx.ParseConfig(owner)
	require.NoError(t, err)

	url := strings.Replace(owner, "/"+cfg.Database+"?", "/from_zero?", 1)
	names, err := fs.Glob(migrations.FS, "*")
	require.NoError(t, err)

	pending, err := postgres.Pending(t.Context(), url, migrations.FS)
	require.NoError(t, err)
	require.True(t, pending)

	applied, err := postgres.Migrate(t.Context(), url, migrations.FS)
	require.NoError(t, err)

	later, err := fs.Glob(migrations.FS, "*_after.sql")
	require.NoError(t, err)
	require.Equal(t, len(names)-len(later), applied)

	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)

	defer conn.Close(t.Context())

	stage := func(where string) error {
		_, err := conn.Exec(t.Context(), `insert into job (kind, queue, args, dedupe_key) values ('a.b', 'q', '{}', 'k')
			on conflict (kind, dedupe_key) where `+where+` do update set dedupe_key = excluded.dedupe_key`)

		return err
	}
	before, now := "state <> 'dead' and not canceling", "state <> 'dead' and not canceling and dedupe_key is not null"

	for range 2 { // both releases stage the same job
		require.NoError(t, stage(before))
		require.NoError(t, stage(now))
	}

	applied, err = postgres.FinishMigrate(t.Context(), url, migrations.FS)
	require.NoError(t, err)
	require.Equal(t, len(later), applied)
	require.NoError(t, stage(now))

	var jobs int

	require.NoError(t, conn.QueryRow(t.Context(), "select count(*) from job").Scan(&jobs))
	require.Equal(t, 1, jobs)

	pending, err = postgres.Pending(t.Context(), url, migrations.FS)
	require.NoError(t, err)
	require.False(t, pending)
}

func TestSchemaDump(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	got := "-- The whole schema, for reading. Made from the migrations by `make generate`.\n\n" + devtest.Schema(t, owner)

	if *update {
		require.NoError(t, os.WriteFile("schema.sql", []byte(got), 0o644))
	}

	want, err := os.ReadFile("schema.sql")
	require.NoError(t, err)

	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("schema.sql is stale, run make generate (-file +database):\n%s", diff)
	}
}

// unruled lists columns that could hold what a person wrote or is, without a rule that says how
// the content goes.
const unruled = `
select format('%I.%I.%I', n.nspname, c.relname, a.attname)
  from pg_attribute a
  join pg_class c on c.oid = a.attrelid
  join pg_namespace n on n.oid = c.relnamespace
  join pg_type t on t.oid = a.atttypid
  left join pg_type element on element.oid = t.typelem and t.typcategory = 'A'
  join pg_type b on b.oid = coalesce(nullif(coalesce(element.typbasetype, t.typbasetype), 0), element.oid, t.oid)
 where c.relkind in ('r', 'p', 'm') and a.attnum > 0 and not a.attisdropped
   and n.nspname not like 'pg\_%' and n.nspname <> 'information_schema' and c.relname <> 'goose_db_version'
   and (b.typcategory in ('S', 'I') or b.typtype = 'e' or b.typname in ('json', 'jsonb', 'bytea', 'xml', 'tsvector', 'char'))
   and coalesce(col_description(c.oid, a.attnum), '') !~ '^erase: \S'
 order by 1`

func TestColumnsSayHowTheyAreErased(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	require.Empty(t, column(t, devtest.Pool(t, owner), unruled),
		"comment on column … is 'erase: <rule>' says how the content goes when a person asks or its time has come")
}

// The search above must be able to find something.
func TestColumnsSayHowTheyAreErased_Finds(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	pool := devtest.Pool(t, owner)

	_, err := pool.Exec(t.Context(), `
		create schema other;
		create type other.mood as enum ('good');
		create domain other.words as text;
		create table other.careless (
			id uuid, n bigint, at timestamptz, ok boolean, fine text,
			a text, b varchar(3), c jsonb, d json, e bytea, f inet, g cidr, h text[], i other.mood, j other.words, k other.mood[], l text);
		comment on column other.careless.fine is 'erase: never, it is public';
		comment on column other.careless.l is 'the user''s words'`)
	require.NoError(t, err)

	var want []string
	for _, name := range "abcdefghijkl" {
		want = append(want, "other.careless."+string(name))
	}

	require.Equal(t, want, column(t, pool, unruled))
}

func TestRoles(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	pool := devtest.Pool(t, owner)

	t.Run("NobodyElseWritesWhatTheAuthServiceOwns", func(t *testing.T) {
		t.Parallel()

		require.Empty(t, column(t, pool, `
			select relname || ' ' || p from pg_class, unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p
			 cross join unnest(array['app', 'api', 'worker', 'scheduler', 'operator', 'mailer']) r
			 where relnamespace = 'auth'::regnamespace and relkind = 'r' and has_table_privilege(r, oid, p)`))
	})

	t.Run("NobodyElseReadsPasswordsOrAddresses", func(t *testing.T) {
		t.Parallel()

		require.Empty(t, column(t, pool, `
			select c.relname || '.' || a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
			 cross join unnest(array['app', 'api', 'worker', 'scheduler', 'operator', 'mailer']) r
			 where c.relnamespace = 'auth'::regnamespace and c.relkind = 'r' and a.attname in ('password', 'email', 'value', 'ipAddress')
			   and has_column_privilege(r, c.oid, a.attnum, 'SELECT')`))
	})

	t.Run("LinksThatOpenAccountsAreTheMailersAlone", func(t *testing.T) {
		t.Parallel()

		require.Equal(t, []string{"mailer"}, column(t, pool, `
			select r from unnest(array['app', 'api', 'worker', 'scheduler', 'operator', 'mailer', 'auth']) r
			 where has_any_column_privilege(r, 'auth_mail', 'SELECT')`))
	})

	t.Run("AuthSeesNothingOfTheProduct", func(t *testing.T) {
		t.Parallel()

		// It adds mails and jobs, and reads neither.
		require.Empty(t, column(t, pool, `
			select relname || ' ' || p from pg_class, unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) p
			 where relnamespace = 'public'::regnamespace and relkind = 'r' and has_table_privilege('auth', oid, p)
			   and not (relname in ('auth_mail', 'job') and p = 'INSERT')`))
	})

	t.Run("NobodyMakesTables", func(t *testing.T) {
		t.Parallel()

		require.Empty(t, column(t, pool, `
			select r || ' ' || s from unnest(array['app', 'api', 'worker', 'scheduler', 'operator', 'mailer', 'auth']) r, unnest(array['public', 'auth']) s
			 where has_schema_privilege(r, s, 'CREATE')`))
	})

	t.Run("NobodyIsSpecial", func(t *testing.T) {
		t.Parallel()

		require.Empty(t, column(t, pool, `
			select rolname from pg_roles where rolname not in ('postgres', 'imagerun_owner')
			   and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)`))
	})
}

// column returns the rows of a query with one column of text.
func column(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) []string {
	t.Helper()

	rows, err := pool.Query(t.Context(), sql, args...)
	require.NoError(t, err)

	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)

	return list
}
