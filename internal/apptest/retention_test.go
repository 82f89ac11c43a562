package apptest_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/apptest"
	"imagerun/internal/jobs"
	"imagerun/internal/retention"
	"imagerun/queue"
)

// promises are the tables whose comments name a time, and how to tell whether it is kept: a statement that makes two rows of
// which one is over, and what is true of that one.
var promises = []struct{ table, two, over string }{
	{
		`auth."rateLimit"`,
		`insert into auth."rateLimit" ("key", "count", "lastRequest")
			select 'of ' || hours, 1, (extract(epoch from now()) - hours * 3600) * 1000 from unnest('{23, 24}'::integer[]) hours`,
		`"key" = 'of 24'`,
	},
	{
		"auth.session",
		`with someone as (
			insert into auth."user" ("name", "email", "emailVerified", "updatedAt") values ('', 'of-old@example.com', true, now()) returning "id"
		) insert into auth."session" ("token", "expiresAt", "updatedAt", "userId")
			select 'of ' || hours, now() - hours * interval '1 hour', now(), "id" from someone, unnest('{-1, 0}'::integer[]) hours`,
		`"token" = 'of 0'`,
	},
	{
		"auth.verification",
		`insert into auth."verification" ("identifier", "value", "expiresAt")
			select 'of ' || hours, '', now() - hours * interval '1 hour' from unnest('{-1, 0}'::integer[]) hours`,
		`"identifier" = 'of 0'`,
	},
	{
		"auth_mail",
		`insert into auth_mail (kind, user_id, recipient, url, token, created_at)
			select 'reset-password', gen_random_uuid(), 'of ' || hours, '', '', now() - hours * interval '1 hour' from unnest('{23, 24}'::integer[]) hours`,
		`recipient = 'of 24'`,
	},
	{
		"idempotency_record",
		`insert into idempotency_record (user_id, key, fingerprint, resource_id, status, created_at)
			select gen_random_uuid(), 'of ' || hours, '', gen_random_uuid(), 202, now() - hours * interval '61 minutes' from unnest('{23, 24}'::integer[]) hours`,
		`key = 'of 24'`,
	},
	{
		"inbox_event",
		`insert into inbox_event (id, source, event_id, event_type, body, received_at)
			select gen_random_uuid(), 'creem', 'of ' || days, 'it.happened', ''::bytea, now() - days * interval '1 day' from unnest('{364, 367}'::integer[]) days`,
		`event_id = 'of 367'`,
	},
	{
		"job_audit",
		`insert into job_audit (operator, action, queue, at)
			select 'of ' || days, 'pause', 'vendor', now() - days * interval '1 day' from unnest('{364, 367}'::integer[]) days`,
		`operator = 'of 367'`,
	},
	{
		"object_sweep",
		`insert into object_sweep (id, started_at, report)
			select gen_random_uuid(), now() - days * interval '1 day', to_jsonb(days) from unnest('{89, 91}'::integer[]) days`,
		`report = '91'`,
	},
	{
		"provider_attempt_tombstone",
		`insert into provider_attempt_tombstone (attempt_id, endpoint, forget_at)
			select gen_random_uuid(), 'of ' || hours, now() - hours * interval '1 hour' from unnest('{-1, 1}'::integer[]) hours`,
		`endpoint = 'of 1'`,
	},
	{
		"provider_cost",
		`insert into provider_cost (request_id, endpoint, ended_at)
			select 'of ' || days, '', now() - days * interval '1 day' from unnest('{89, 91}'::integer[]) days`,
		`request_id = 'of 91'`,
	},
	{
		"inbox_event",
		`insert into inbox_event (id, source, event_id, event_type, body, received_at)
			select gen_random_uuid(), 'creem', 'of ' || days, 'it.happened', ''::bytea, now() - days * interval '1 day' from unnest('{28, 30}'::integer[]) days`,
		`event_id = 'of 30' and body is not null`,
	},
	{
		"credit_audit",
		`insert into credit_audit (at, breaches) select now() - days * interval '1 day', days from unnest('{364, 367}'::integer[]) days`,
		`breaches = 367`,
	},
}

// timed finds what is promised for a time, rather than for an event.
var timed = regexp.MustCompile(`\b(hours?|days?|weeks?|months?|years?|expiry|forget_at)\b`)

// spelled are the periods of classes as comments have them.
var spelled = map[time.Duration]*regexp.Regexp{
	0:                  regexp.MustCompile(`\b(expiry|forget_at)\b`),
	retention.Day:      regexp.MustCompile(`\b24 hours\b`),
	30 * retention.Day: regexp.MustCompile(`\b30 days\b`),
	90 * retention.Day: regexp.MustCompile(`\b90 days\b`),
	retention.Year:     regexp.MustCompile(`\ba year\b`),
	7 * retention.Year: regexp.MustCompile(`\bseven years\b`),
}

// rule is the comment of a column, or of a table when the column is empty.
type rule struct{ Table, Column, Words string }

func listRules(t *testing.T, p *apptest.Product) []rule {
	t.Helper()

	rows, err := p.Pool.Query(t.Context(), `
		select d.objoid::regclass::text, coalesce(a.attname, ''), d.description
		from pg_description d join pg_class c on c.oid = d.objoid left join pg_attribute a on a.attrelid = c.oid and a.attnum = d.objsubid and a.attnum > 0
		where d.classoid = 'pg_class'::regclass and c.relnamespace in ('public'::regnamespace, 'auth'::regnamespace)
			and d.description ~ '^erase: |Kept for '`)
	require.NoError(t, err)

	rules, err := pgx.CollectRows(rows, pgx.RowToStructByPos[rule])
	require.NoError(t, err)
	require.Greater(t, len(rules), 80, "too few to judge")

	return rules
}

// tableOf returns the class that a column is of, or any of a table's when it has none, and what it says of the table.
func tableOf(classes []retention.Class, name, column string) (c retention.Class, table retention.Table, ok bool) {
	for _, c := range classes {
		for _, table := range c.Tables {
			if table.Name == name && (column == "" || slices.Contains(table.Columns, column)) {
				return c, table, true
			}
		}
	}

	return c, table, false
}

// judgeClasses returns what the classes say otherwise than the comments in the database do.
func judgeClasses(classes []retention.Class, rules []rule) (wrong []string) {
	complain := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	ruled := map[string][]string{} // columns by table

	for _, r := range rules {
		if r.Column != "" {
			ruled[r.Table] = append(ruled[r.Table], r.Column)
		}

		if !timed.MatchString(r.Words) {
			continue
		}

		_, table, ok := tableOf(classes, r.Table, r.Column)

		switch {
		case !ok:
			complain("%s.%s: no class keeps %q", r.Table, r.Column, r.Words)
		case spelled[table.After] == nil || !spelled[table.After].MatchString(r.Words):
			complain("%s.%s: its class says %s, and not %q", r.Table, r.Column, table.After, r.Words)
		}
	}

	said := map[string][]string{} // columns by table; several classes may share one

	for _, c := range classes {
		for _, table := range c.Tables {
			said[table.Name] = append(said[table.Name], table.Columns...)
		}
	}

	for table, columns := range said {
		slices.Sort(columns)
		slices.Sort(ruled[table])

		if !slices.Equal(columns, ruled[table]) {
			complain("%s: the columns with a rule are %v, and those of classes %v", table, ruled[table], columns)
		}
	}

	return wrong
}

// TestRetention has the classes say what the comments of the database promise, and each promise of a time kept by the job
// that the schedule of its class stages, with the rights of a worker.
func TestRetention(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{})
	classes, rules := app.RetentionClasses(), listRules(t, p)
	require.Empty(t, judgeClasses(classes, rules))

	scheduled := map[string]bool{}
	for _, s := range jobs.Schedules() {
		scheduled[s.Args(time.Now()).Kind()] = true
	}

	queues := map[string]string{}
	for _, policy := range jobs.Kinds().Policies() {
		queues[policy.Args.Kind()] = policy.Queue
	}

	for _, c := range classes {
		require.True(t, c.NotYet != "" || scheduled[kindOf(c)], "class %s: %q has no schedule", c.Name, kindOf(c))

		for _, table := range c.Tables {
			var oid *uint32

			require.NoError(t, p.Pool.QueryRow(t.Context(), `select to_regclass($1)::oid`, table.Name).Scan(&oid))
			require.NotNil(t, oid, "class %s: there is no table %s", c.Name, table.Name)
		}
	}

	tried := map[string]bool{}

	for _, promise := range promises {
		_, _, ok := tableOf(classes, promise.table, "")
		require.True(t, ok, "%s promises nothing any more", promise.table)

		tried[promise.table] = true

		_, err := p.Pool.Exec(t.Context(), promise.two)
		require.NoError(t, err, promise.table)
		require.Equal(t, 1, p.Count(t, "select count(*) from "+promise.table+" where "+promise.over))
	}

	for _, r := range rules {
		if c, _, _ := tableOf(classes, r.Table, r.Column); timed.MatchString(r.Words) && c.NotYet == "" && !tried[r.Table] {
			t.Errorf("%s: this test does not try whether %q is kept", r.Table, r.Words)
		}
	}

	for kind := range scheduled {
		_, err := p.Pool.Exec(t.Context(), `insert into job (kind, queue, args) values ($1, $2, '{}')`, kind, queues[kind])
		require.NoError(t, err)
	}

	p.Quiet(t)
	require.Zero(t, p.Count(t, `select count(*) from job`), "none failed")

	for _, promise := range promises {
		require.Zero(t, p.Count(t, "select count(*) from "+promise.table+" where "+promise.over), promise.table)
		require.NotZero(t, p.Count(t, "select count(*) from "+promise.table), "%s: the other is not over", promise.table)
	}
}

// kindOf returns the kind of job that a class goes by.
func kindOf(c retention.Class) string {
	if c.Purge == nil {
		return c.Job
	}

	return map[retention.Cadence]queue.Args{
		retention.Often: jobs.PurgeOften{}, retention.Hourly: jobs.PurgeHourly{}, retention.Daily: jobs.PurgeDaily{},
	}[c.Purge.Cadence].Kind()
}

// The judge must be able to find guilt.
func TestJudgeClasses(t *testing.T) {
	t.Parallel()

	class := func(columns ...string) []retention.Class {
		return []retention.Class{{Name: "a", Job: "a.purge", Tables: []retention.Table{{Name: "t", Columns: columns, After: retention.Day}}}}
	}

	day, none := rule{"t", "c", "erase: row 24 hours after creation"}, rule{"t", "d", "erase: row with the account"}

	for want, is := range map[string]struct {
		classes []retention.Class
		rules   []rule
	}{
		"":                {class("d", "c"), []rule{day, none}},
		"no class keeps":  {nil, []rule{day}},
		"and not \"erase": {class("c"), []rule{{"t", "c", "erase: row 25 hours after creation"}}},
		"t: the columns with a rule are [c], and those of classes [c x]": {class("c", "x"), []rule{day}},
		"t: the columns with a rule are [c d], and those of classes [c]": {class("c"), []rule{day, none}},
	} {
		got := strings.Join(judgeClasses(is.classes, is.rules), "\n")
		if want == "" {
			require.Empty(t, got)

			continue
		}

		require.Contains(t, got, want)
	}
}
