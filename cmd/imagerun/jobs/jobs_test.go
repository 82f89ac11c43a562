package jobs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/cli/clitest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/jobs"
	"imagerun/queue/durable"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// operator runs the command on a database of its own, with nothing but its address set.
func operator(t *testing.T) (pool *pgxpool.Pool, run func(args ...string) (string, error)) {
	t.Helper()

	url, _, _ := devtest.PostgresURLs(t)

	return devtest.Pool(t, url), func(args ...string) (string, error) {
		out, _, err := clitest.Execute(t.Context(), Command([]string{"IMAGERUN_POSTGRES_URL=" + devtest.As(t, url, "operator")}), args...)

		return out, err
	}
}

// dead inserts dead jobs and returns their ids.
func dead(t *testing.T, pool *pgxpool.Pool, kind, name string, n int) (ids []uuid.UUID) {
	t.Helper()

	require.NoError(t, pool.QueryRow(t.Context(), `with made as (
		insert into job (kind, queue, args, state, died_at, created_at, attempt, error_code)
		select $1, $2, '{}', 'dead', now() - interval '2 hours', now() - interval '3 hours', 10, 'provider_rejected'
		from generate_series(1, $3) returning id) select array_agg(id order by id) from made`, kind, name, n).Scan(&ids))

	return ids
}

func TestJobs(t *testing.T) {
	t.Parallel()

	pool, run := operator(t)
	collect := dead(t, pool, "generation.collect", "generation", 3)
	erase := dead(t, pool, "generation.erase", "retention", 2)

	out, err := run("list", "--state", "dead")
	require.NoError(t, err)
	require.Contains(t, out, "5 jobs\n")
	require.Contains(t, out, collect[0].String())
	require.Contains(t, out, "provider_rejected")

	out, err = run("list", "--kind", "generation.erase", "--json", "--limit", "1", "--older-than", "1h")
	require.NoError(t, err)

	var jobs []durable.Info
	require.NoError(t, json.Unmarshal([]byte(out), &jobs))
	require.Len(t, jobs, 1)
	require.Equal(t, erase[0], jobs[0].ID)

	out, err = run("list", "--queue", "retention", "--older-than", "24h")
	require.NoError(t, err)
	require.Contains(t, out, "0 jobs\n")

	_, err = run("retry")
	require.ErrorContains(t, err, "which jobs?", "a slip must not touch everything")

	out, err = run("retry", "--kind", "generation.collect", "--dry-run")
	require.NoError(t, err)
	require.Contains(t, out, "3 jobs are meant; nothing was changed")
	require.Contains(t, out, collect[1].String(), "and which")

	out, err = run("retry", "--kind", "generation.collect", "--limit", "2", "--by", "ada")
	require.NoError(t, err)
	require.Equal(t, "2 of 2 jobs were retried\n", out)

	// As the dashboard names it.
	out, err = run("retry", collect[2].String()+":1", "--by", "ada", "--json")
	require.NoError(t, err)

	var res durable.Result
	require.NoError(t, json.Unmarshal([]byte(out), &res))
	require.Equal(t, durable.Result{Matched: 1, Changed: collect[2:]}, res)

	out, err = run("show", collect[2].String())
	require.NoError(t, err)
	require.Contains(t, out, "staged")
	require.Contains(t, out, "retry by ada, with 1 in all")

	out, err = run("cancel", "--state", "dead", "--by", "ada")
	require.NoError(t, err)
	require.Equal(t, "2 of 2 jobs were canceled\n", out)

	out, err = run("show", erase[0].String(), "--json")
	require.ErrorIs(t, err, durable.ErrNotFound)
	require.Contains(t, out, `"job": null`)
	require.Contains(t, out, `"operator": "ada"`)

	out, err = run("list", "--state", "staged")
	require.NoError(t, err)
	require.Contains(t, out, "3 jobs\n")
}

func TestJobs_Pause(t *testing.T) {
	t.Parallel()

	pool, run := operator(t)

	paused := func() (queues []string) {
		require.NoError(t, pool.QueryRow(t.Context(), `select coalesce(array_agg(queue || ' ' || operator), '{}') from queue_pause`).Scan(&queues))

		return queues
	}

	out, err := run("pause", "vendor", "--by", "ada")
	require.NoError(t, err)
	require.Equal(t, "queue vendor is paused\n", out)
	require.Equal(t, []string{"vendor ada"}, paused())

	_, err = run("resume", "vendor")
	require.NoError(t, err)
	require.Empty(t, paused())
}

func TestJobs_Schedules(t *testing.T) {
	t.Parallel()

	pool, run := operator(t)

	out, err := run("schedules")
	require.NoError(t, err)
	require.Regexp(t, `retention\.often +@every 10m +retention\.purge_often +- +20`, out)

	_, err = pool.Exec(t.Context(), `insert into schedule (name, last_tick) values ('retention.hourly', now() - interval '3 hours')`)
	require.NoError(t, err)

	out, err = run("schedules")
	require.NoError(t, err)
	require.Contains(t, out, "overdue: does a scheduler run?")

	out, err = run("schedules", "--json")
	require.NoError(t, err)

	var list []durable.Scheduled
	require.NoError(t, json.Unmarshal([]byte(out), &list))
	require.Len(t, list, len(jobs.Schedules()))
}

func TestJobs_RefusesSlips(t *testing.T) {
	t.Parallel()

	_, run := operator(t)
	id := uuid.NewString()

	for args, want := range map[string]string{
		"lst":                              `there is no command "lst": did you mean list?`,
		"forget":                           `there is no command "forget": `,
		"list all":                         "unknown command",
		"list --kind generation.colect":    `--kind: there is no "generation.colect"; there are generation.submit, generation.collect`,
		"list --state died":                "there are staged, pushed, running, retrying, canceling, dead",
		"list --limit -1":                  "--limit: must not be negative",
		"list --older-than 5":              "such as 90m, 24h or 7d",
		"list --older-than -5m":            "such as 90m, 24h or 7d",
		"list --older-then 5m":             "unknown flag: --older-then",
		"cancel --queue vendors":           "there are erasure, generation",
		"cancel":                           "which jobs?",
		"cancel --all " + id:               "ids or --all",
		"cancel " + id:                     "1 of the 1 ids: there is no such job",
		"pause vendors":                    `there is no queue "vendors"; there are`,
		"pause":                            "takes one argument, a queue: erasure",
		"show":                             "takes one argument, the id of a job",
		"show 12":                          `"12" is not the id of a job`,
		"show " + id:                       "there is no such job",
		"retry --state dead --by=":         "unknown operator",
		"schedules generation.submit":      "unknown command",
		"retry --kind generation.submit x": `"x" is not the id of a job`,
	} {
		_, err := run(strings.Fields(args)...)
		require.ErrorContains(t, err, want, "%v", args)
	}
}

func TestJobs_Cancel(t *testing.T) {
	t.Parallel()

	pool, run := operator(t)

	var id uuid.UUID
	require.NoError(t, pool.QueryRow(t.Context(), `insert into job (kind, queue, args, created_at)
		values ('generation.submit', 'generation', '{}', now() - interval '8 days') returning id`).Scan(&id))

	out, err := run("cancel", "--older-than", "7d", "--by", "ada")
	require.NoError(t, err)
	require.Equal(t, "1 of 1 job was canceled; 1 of these ends when a worker comes, and is canceling until then\n", out)

	out, err = run("list", "--state", "canceling")
	require.NoError(t, err)
	require.Contains(t, out, id.String())

	out, err = run("show", id.String())
	require.NoError(t, err)
	require.Regexp(t, `state +canceling`, out)
	require.Contains(t, out, "cancel by ada, with 1 in all")

	out, err = run("cancel", id.String(), "--json")
	require.NoError(t, err)
	require.JSONEq(t, `{"matched": 1, "changed": [], "waiting": 0}`, out)

	out, err = run("retry", id.String())
	require.NoError(t, err)
	require.Equal(t, "1 of 1 job was retried\n", out)
}

func TestJobs_Help(t *testing.T) {
	t.Parallel()

	_, run := operator(t)

	for _, name := range []string{"list", "show", "retry", "cancel", "pause", "resume", "schedules"} {
		out, err := run(name, "--help")
		require.NoError(t, err)
		require.Contains(t, out, "Examples:\n  imagerun jobs "+name, name)
	}
}

func TestJobs_SaysWhatIsMissing(t *testing.T) {
	t.Parallel()

	_, _, err := clitest.Execute(t.Context(), Command(nil), "list")
	require.ErrorContains(t, err, "IMAGERUN_POSTGRES_URL")
}
