package migrations_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
)

const rightsHead = `-- What each role may do with each table: select, insert, update, delete; c: select some columns, which are below.
-- Made from the migrations by make generate. A table that is new here is nobody's but imagerun_app's, which has every table by
-- default until it goes: the migration that makes it says which processes need it, and for what.

`

// tableRights has a row for each table: what each role may do with it.
const tableRights = `
select c.oid::regclass::text, array_agg(concat(
	case when has_table_privilege(r.role, c.oid, 'select') then 's' when has_any_column_privilege(r.role, c.oid, 'select') then 'c' else '-' end,
	case when has_table_privilege(r.role, c.oid, 'insert') then 'i' when has_any_column_privilege(r.role, c.oid, 'insert') then '?' else '-' end,
	case when has_table_privilege(r.role, c.oid, 'update') then 'u' when has_any_column_privilege(r.role, c.oid, 'update') then '?' else '-' end,
	case when has_table_privilege(r.role, c.oid, 'delete') then 'd' else '-' end,
	case when has_table_privilege(r.role, c.oid, 'truncate, references, trigger') then '!' end) order by r.nr)
from pg_class c, unnest($1::text[]) with ordinality as r (role, nr)
where c.relkind in ('r', 'p', 'v', 'm') and c.relnamespace in ('public'::regnamespace, 'auth'::regnamespace) and c.relname <> 'goose_db_version'
group by c.oid order by 1`

const columnRights = `
select format('%s  %s  %s', r.role, c.oid::regclass, string_agg(a.attname, ' ' order by a.attname))
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped, unnest($1::text[]) as r (role)
where c.relkind in ('r', 'p', 'v', 'm') and c.relnamespace in ('public'::regnamespace, 'auth'::regnamespace)
	and has_column_privilege(r.role, c.oid, a.attnum, 'select') and not has_table_privilege(r.role, c.oid, 'select')
group by r.role, c.oid order by 1`

// definerRights has the functions that do what their caller may not.
const definerRights = `
select format('%s  %s', f.oid::regprocedure, coalesce((select string_agg(r.role, ' ' order by r.nr)
	from unnest($1::text[]) with ordinality as r (role, nr) where has_function_privilege(r.role, f.oid, 'execute') and f.prorettype <> 'trigger'::regtype), ''))
from pg_proc f where f.prosecdef and f.pronamespace in ('public'::regnamespace, 'auth'::regnamespace) order by 1`

// groupRoles are those of the processes, and last the one of releases that knew of no other.
var groupRoles = []string{
	"imagerun_api", "imagerun_worker", "imagerun_scheduler", "imagerun_operator", "imagerun_mailer", "imagerun_auth", "imagerun_app",
}

// TestRights keeps rights.txt what the migrations grant.
func TestRights(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	pool := devtest.Pool(t, owner)

	var text strings.Builder

	text.WriteString(rightsHead)
	fmt.Fprintf(&text, "%-30s", "")

	for _, role := range groupRoles {
		fmt.Fprintf(&text, " %-9s", strings.TrimPrefix(role, "imagerun_"))
	}

	for _, r := range rightsOf(t, pool) {
		fmt.Fprintf(&text, "\n%-30s", r.table)

		for _, may := range r.may {
			fmt.Fprintf(&text, " %-9s", may)
		}
	}

	text.WriteString("\n\n-- Columns\n\n" + strings.Join(column(t, pool, columnRights, groupRoles), "\n"))
	text.WriteString("\n\n-- Functions that do what their caller may not\n\n" + strings.Join(column(t, pool, definerRights, groupRoles), "\n") + "\n")

	got := trimLines(text.String())
	if *update {
		require.NoError(t, os.WriteFile("rights.txt", []byte(got), 0o644))
	}

	want, err := os.ReadFile("rights.txt")
	require.NoError(t, err)

	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("rights.txt is not what the roles may do (-file +database): is it what they should?\n%s", diff)
	}
}

// A table that no process may use is one that nobody decided about.
func TestRights_AreDecided(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)
	pool := devtest.Pool(t, owner)

	undecided := func() (tables []string) {
		for _, r := range rightsOf(t, pool) {
			if strings.Trim(strings.Join(r.may[:len(r.may)-1], ""), "-") == "" {
				tables = append(tables, r.table)
			}
		}

		return tables
	}

	require.Empty(t, undecided(), "say in the migration which roles may do what with it: grant … to imagerun_api")

	_, err := pool.Exec(t.Context(), "create table later (n integer)")
	require.NoError(t, err)
	require.Equal(t, []string{"later"}, undecided(), "nothing is a process's by default")
}

// While an old configuration has all processes connect as one role, it may do what each of them may.
func TestRights_OfOneRoleForAll(t *testing.T) {
	t.Parallel()

	_, _, owner := devtest.PostgresURLs(t)

	for _, r := range rightsOf(t, devtest.Pool(t, owner)) {
		for i, may := range r.may[:4] {
			all := strings.ReplaceAll(r.may[len(r.may)-1], "s", "sc") // who may read a table may read some columns of it
			for _, letter := range strings.ReplaceAll(may, "-", "") {
				require.Contains(t, all, string(letter), "%s of %s", r.table, groupRoles[i])
			}
		}
	}
}

// rights are what each of groupRoles may do with a table.
type rights struct {
	table string
	may   []string
}

func rightsOf(t *testing.T, pool *pgxpool.Pool) []rights {
	t.Helper()

	rows, err := pool.Query(t.Context(), tableRights, groupRoles)
	require.NoError(t, err)

	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r rights, err error) {
		return r, row.Scan(&r.table, &r.may)
	})
	require.NoError(t, err)
	require.Greater(t, len(list), 30, "too few tables")

	return list
}

// trimLines leaves out spaces at the ends of lines.
func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}

	return strings.Join(lines, "\n")
}
