package betterauth_test

import (
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/authtest"
	"imagerun/internal/devstack/devtest"
)

// Our migration and the tables that Better Auth would make are compared both ways.
func TestSchema(t *testing.T) {
	t.Parallel()

	_, authURL, ownerURL := devtest.PostgresURLs(t)
	owner := devtest.Pool(t, ownerURL)

	check := func(args ...string) *exec.Cmd {
		cmd := authtest.Command(t, "check-schema.mjs", args...)
		cmd.Env = append(cmd.Env, "DATABASE_URL="+authURL, "BETTER_AUTH_URL=http://localhost", "BETTER_AUTH_SECRET=0123456789abcdef0123456789abcdef")

		return cmd
	}

	out, err := check().CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.JSONEq(t, `{"toBeCreated":[],"toBeAdded":[],"toBeAddedIndexes":[],"schemaProblems":[]}`, string(out))

	_, err = owner.Exec(t.Context(), `alter schema auth rename to ours; create schema auth; grant usage on schema auth to imagerun_auth`)
	require.NoError(t, err)

	missing, err := check().Output()
	require.Error(t, err, "the check passes although every table is missing")
	require.Contains(t, string(missing), `"table":"session"`)

	sql, err := check("--sql").Output()
	require.NoError(t, err)

	_, err = owner.Exec(t.Context(), "set search_path = auth; "+string(sql)+"; reset search_path")
	require.NoError(t, err)

	theirs, ours := describe(t, owner, "auth"), describe(t, owner, "ours")
	require.NotEmpty(t, theirs)
	require.Equal(t, theirs, ours)
}

// describe lists columns, constraints and indexes of a schema, without the schema's name.
func describe(t *testing.T, db *pgxpool.Pool, schema string) []string {
	t.Helper()

	rows, err := db.Query(t.Context(), `
		select format('%s.%s %s null=%s default=%s', table_name, column_name, udt_name, is_nullable, column_default) as line
		from information_schema.columns where table_schema = $1
		union all
		select replace(format('%s: %s', conrelid::regclass, pg_get_constraintdef(oid)), $1 || '.', '')
		from pg_constraint where connamespace = $1::regnamespace
		union all
		select replace(indexdef, $1 || '.', '') from pg_indexes where schemaname = $1
		order by line`, schema)
	require.NoError(t, err)

	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)

	return lines
}

// Each role can do what it must, and nothing that would let one process's hole empty the other's tables.
func TestSchema_Grants(t *testing.T) {
	t.Parallel()

	appURL, authURL, _ := devtest.PostgresURLs(t)
	app, authRole := devtest.Pool(t, appURL), devtest.Pool(t, authURL)

	for name, tc := range map[string]struct {
		db  *pgxpool.Pool
		sql string
	}{
		"AppReadsNoEmail":     {app, `select "email" from auth."user"`},
		"AppReadsNoAddress":   {app, `select "ipAddress" from auth."session"`},
		"AppReadsNoPassword":  {app, `select from auth."account"`},
		"AppReadsNoReset":     {app, `select from auth."verification"`},
		"AppMakesNoSession":   {app, `delete from auth."session"`},
		"AppMakesNoUser":      {app, `update auth."user" set "role" = 'admin'`},
		"AppMakesNoMail":      {app, `insert into auth_mail (kind, user_id, recipient, url, token) values ('verify-email', gen_random_uuid(), '', '', '')`},
		"AppReadsNoMail":      {app, `select from auth_mail`},
		"AppRemovesNoMail":    {app, `delete from auth_mail`},
		"AuthReadsNoMail":     {authRole, `select from public.auth_mail`},
		"AuthReadsNoTask":     {authRole, `select from public.ai_task`},
		"AuthReadsNoKey":      {authRole, `select from public.api_key`},
		"AuthMakesNoTable":    {authRole, `create table auth.x ()`},
		"AuthDropsNoMailRows": {authRole, `delete from public.auth_mail`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			_, err := tc.db.Exec(t.Context(), tc.sql)
			require.ErrorContains(t, err, "42501") // insufficient_privilege
		})
	}
}
