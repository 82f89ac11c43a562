package deploy_test

import (
	"net/url"
	"os"
	"os/exec"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
)

// The script makes what is missing, however often it runs, and each login is in the group of its process.
func TestPostgresInit(t *testing.T) {
	t.Parallel()

	psql, err := exec.LookPath("psql")
	require.NoError(t, err, "psql comes with the Postgres that scripts/deps.sh installs")

	pg := devtest.OwnPostgres(t)

	u, err := url.Parse(pg.OwnerURL)
	require.NoError(t, err)

	owner := devtest.Pool(t, pg.OwnerURL)
	_, err = owner.Exec(t.Context(), "drop role api, worker, scheduler, operator, auth")
	require.NoError(t, err)

	for range 2 {
		cmd := exec.CommandContext(t.Context(), "sh", "postgres-init.sh")
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "PGHOST=" + u.Hostname(), "PGPORT=" + u.Port(), "POSTGRES_USER=" + u.User.Username(), "POSTGRES_DB=imagerun",
			"API_PASSWORD=it's", "WORKER_PASSWORD=b", "SCHEDULER_PASSWORD=c", "OPERATOR_PASSWORD=d", "AUTH_PASSWORD=e",
		}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s %s", psql, out)
	}

	rows, err := owner.Query(t.Context(), `
		select m.rolname || ' in ' || g.rolname from pg_auth_members a join pg_roles m on m.oid = a.member join pg_roles g on g.oid = a.roleid
		where g.rolname like 'imagerun%' and m.rolname in ('api', 'worker', 'scheduler', 'operator', 'auth') and m.rolcanlogin order by 1`)
	require.NoError(t, err)

	members, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	require.Equal(t, []string{
		"api in imagerun_api", "auth in imagerun_auth", "operator in imagerun_operator", "scheduler in imagerun_scheduler", "worker in imagerun_worker",
	}, members)
}
