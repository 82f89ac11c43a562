package apptest_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/queue"
)

// promises are the comments of columns and tables that name a time, and how to tell whether they are kept: the job
// that keeps them, a statement that makes two rows of which one is over, and what is true of that one.
var promises = []struct{ table, words, kind, two, over string }{
	{
		`auth."rateLimit"`, "24 hours after the last request", "auth.purge",
		`insert into auth."rateLimit" ("key", "count", "lastRequest")
			select 'of ' || hours, 1, (extract(epoch from now()) - hours * 3600) * 1000 from unnest('{23, 24}'::integer[]) hours`,
		`"key" = 'of 24'`,
	},
	{
		"auth.session", "expiry", "auth.purge",
		`with someone as (
			insert into auth."user" ("name", "email", "emailVerified", "updatedAt") values ('', 'of-old@example.com', true, now()) returning "id"
		) insert into auth."session" ("token", "expiresAt", "updatedAt", "userId")
			select 'of ' || hours, now() - hours * interval '1 hour', now(), "id" from someone, unnest('{-1, 0}'::integer[]) hours`,
		`"token" = 'of 0'`,
	},
	{
		"auth.verification", "expiry", "auth.purge",
		`insert into auth."verification" ("identifier", "value", "expiresAt")
			select 'of ' || hours, '', now() - hours * interval '1 hour' from unnest('{-1, 0}'::integer[]) hours`,
		`"identifier" = 'of 0'`,
	},
	{
		"auth_mail", "24 hours after creation", "auth.purge",
		`insert into auth_mail (kind, user_id, recipient, url, token, created_at)
			select 'reset-password', gen_random_uuid(), 'of ' || hours, '', '', now() - hours * interval '1 hour' from unnest('{23, 24}'::integer[]) hours`,
		`recipient = 'of 24'`,
	},
	{
		"idempotency_record", "24 hours after creation", "retention.purge_idempotency",
		`insert into idempotency_record (user_id, key, fingerprint, resource_id, status, created_at)
			select gen_random_uuid(), 'of ' || hours, '', gen_random_uuid(), 202, now() - hours * interval '61 minutes' from unnest('{23, 24}'::integer[]) hours`,
		`key = 'of 24'`,
	},
	{
		"job_audit", "for a year", "retention.purge_job_audit",
		`insert into job_audit (operator, action, queue, at)
			select 'of ' || days, 'pause', 'vendor', now() - days * interval '1 day' from unnest('{364, 367}'::integer[]) days`,
		`operator = 'of 367'`,
	},
	{
		"object_sweep", "90 days", "retention.sweep_objects",
		`insert into object_sweep (id, started_at, report)
			select gen_random_uuid(), now() - days * interval '1 day', to_jsonb(days) from unnest('{89, 91}'::integer[]) days`,
		`report = '91'`,
	},
	{
		"provider_attempt_tombstone", "forget_at", "retention.purge_tombstones",
		`insert into provider_attempt_tombstone (attempt_id, endpoint, forget_at)
			select gen_random_uuid(), 'of ' || hours, now() - hours * interval '1 hour' from unnest('{-1, 1}'::integer[]) hours`,
		`endpoint = 'of 1'`,
	},
	{
		"provider_cost", "90 days", "retention.purge_tombstones",
		`insert into provider_cost (request_id, endpoint, ended_at)
			select 'of ' || days, '', now() - days * interval '1 day' from unnest('{89, 91}'::integer[]) days`,
		`request_id = 'of 91'`,
	},
	{
		"credit_audit", "for a year", "credits.audit",
		`insert into credit_audit (at, breaches) select now() - days * interval '1 day', days from unnest('{364, 367}'::integer[]) days`,
		`breaches = 367`,
	},
}

// notYet are promises that nothing can have broken so far.
var notYet = map[string]string{"seven years after the payment": "no payment is so old, and no payment is taken: the job comes with payments"}

// timed finds what is promised for a time, rather than for an event.
var timed = regexp.MustCompile(`\b(hours?|days?|weeks?|months?|years?|expiry|forget_at)\b`)

// TestRetention has each promise of a time kept by the job that its schedule stages, with the rights of a worker.
func TestRetention(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{})

	rows, err := p.Pool.Query(t.Context(), `
		select d.objoid::regclass::text, d.description from pg_description d join pg_class c on c.oid = d.objoid
		where d.classoid = 'pg_class'::regclass and c.relnamespace in ('public'::regnamespace, 'auth'::regnamespace)
			and d.description ~ '^erase: |Kept for '`)
	require.NoError(t, err)

	comments, err := pgx.CollectRows(rows, pgx.RowToStructByPos[struct{ Table, Words string }])
	require.NoError(t, err)
	require.Greater(t, len(comments), 80, "too few to judge")

	checked := map[string]bool{}

	for _, c := range comments {
		if timed.MatchString(c.Words) && !isPromised(c.Table, c.Words, checked) {
			t.Errorf("%s: nobody keeps %q, or this test does not know of it", c.Table, c.Words)
		}
	}

	scheduled := map[string]bool{}
	for _, s := range queue.Schedules() {
		scheduled[s.Args(time.Now()).Kind()] = true
	}

	queues := map[string]string{}
	for _, policy := range queue.All().Policies() {
		queues[policy.Args.Kind()] = policy.Queue
	}

	for _, promise := range promises {
		require.True(t, checked[promise.table], "%s promises nothing any more", promise.table)
		require.True(t, scheduled[promise.kind], "%s has no schedule", promise.kind)

		_, err := p.Pool.Exec(t.Context(), promise.two)
		require.NoError(t, err, promise.table)
		require.Equal(t, 1, p.Count(t, "select count(*) from "+promise.table+" where "+promise.over))
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

// isPromised reports whether a comment is one of promises or notYet, and remembers the table.
func isPromised(table, comment string, checked map[string]bool) bool {
	for words := range notYet {
		if strings.Contains(comment, words) {
			return true
		}
	}

	for _, promise := range promises {
		if promise.table == table && strings.Contains(comment, promise.words) {
			checked[table] = true

			return true
		}
	}

	return false
}
