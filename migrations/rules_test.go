package migrations_test

import (
	"io/fs"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/migrations"
)

// excepted are files that break a rule, from before there were any. No file is changed once it is released, so the list
// grows only by what somebody can defend.
var excepted = map[string]string{
	"00001_roles.sql":                "before it there is nothing",
	"00002_better_auth.sql":          "before it there is nothing of auth",
	"00016_job_canceling.sql":        "what to avoid: the key of jobs is without its index for a moment, and a check reads job under a lock",
	"00017_job_audit_purge.sql":      "its index keeps writers out of job_audit, which holds what operators did in a year",
	"00031_generation_reference.sql": "keeps writers out of ai_task for as long as it reads it: columns, then checks and indexes, are three files",
	"00034_user_event.sql":           "what to avoid: numbers all events of all times in one statement, and demands columns that the release before does not fill",
	"00035_favourite_remix.sql":      "its indexes keep writers out of ai_task",
	"00036_estimate.sql":             "its index keeps writers out of ai_task",
	"00037_object_sweep.sql":         "reads ai_image under a lock, for the order of a column",
	"00038_upload_object_order.sql":  "reads upload under a lock, for the order of a column",
	"00039_generation_live.sql":      "its indexes keep writers out of ai_task",
	"00040_admission_turn.sql":       "what to avoid: drops a column that the release before reads, and makes an index of ai_task anew with none in between",
	"00041_upload_needed.sql":        "its index keeps writers out of upload",
	"00063_job_key.sql":              "its index keeps writers out of job, which is small however many jobs go through it",
	"00090_process_roles.sql":        "makes roles, which are not of one database: where they are there it does nothing",
	"00092_auth_mail_closed.sql":     "takes a right that no process of any release used, so that links are closed before the release before is gone",
	"00114_payment_operator.sql":     "takes rights that no process of any release used: the tables are newer than the last one",
}

// rule is about statements, or actions of "alter table", on what other files made. Of those that match, the first counts.
type rule struct {
	pattern *regexp.Regexp
	because string // empty: it does no harm
	finally bool   // an …_after.sql may: the release before is gone by then
}

func ruleOf(pattern, because string) rule {
	return rule{pattern: regexp.MustCompile(`^(?:` + pattern + `)`), because: because}
}

func finallyOf(pattern, because string) rule {
	return rule{pattern: regexp.MustCompile(`^(?:` + pattern + `)`), because: because, finally: true}
}

// statementRules refuse what none of them knows: whoever needs it finds out what it locks and whom it breaks, and says so here.
var statementRules = []rule{
	ruleOf(`(create table|create (or replace )?function|create (constraint )?trigger|create view|comment on|grant) `, ""),
	ruleOf(`insert into \S+ \([^)]*\) values `, ""),
	ruleOf(`create (unique )?index concurrently `, "is invalid where it was interrupted: drop it just before, concurrently and if exists"),
	ruleOf(`create (unique )?index `, "keeps writers out while it reads the table: make it concurrently, in a file with -- +goose NO TRANSACTION"),
	finallyOf(`drop index `, "drops an index, which statements of the release before may name"),
	finallyOf(`drop `, "drops what the release before uses"),
	finallyOf(`revoke `, "takes a right that the release before uses"),
	ruleOf(`(insert|update|delete|with|merge|truncate)\b`, "changes rows, however many there are, in one transaction: have a job do some at a time"),
}

var actionRules = []rule{
	ruleOf(`add (constraint \S+ )?(check|foreign key)\b.* not valid$`, ""),
	ruleOf(`add (constraint \S+ )?(check|foreign key)\b`, "reads the table under a lock: add it not valid, and validate it in a file after that"),
	ruleOf(`add (constraint \S+ )?(unique|primary key) using index `, ""),
	ruleOf(`add (constraint \S+ )?(unique|primary key|exclude)\b`, "makes an index under a lock: make it concurrently, then add the constraint using index"),
	ruleOf(`add .* (check|references|unique|primary key)\b`, "reads the table under a lock: add the column, and the constraint after it"),
	ruleOf(`add .* (generated|\w*serial)\b|add .* default .*(random|uuid|clock_timestamp|nextval)`, "rewrites the table under a lock: the default must be one value"),
	ruleOf(`add (column )?\S+ .*not null default |add (column )?\S+ .*default .* not null`, ""),
	ruleOf(`add .* not null\b`, "demands a value that the release before does not give: add a default"),
	ruleOf(`add (column )?\S+ `, ""),
	ruleOf(`validate constraint |alter (column )?\S+ set default |set \(|reset \(`, ""),
	ruleOf(`alter (column )?\S+ (set data )?type `, "rewrites the table, or reads it, under a lock: add another column"),
	ruleOf(`alter (column )?\S+ set not null`, "reads the table under a lock, and refuses what the release before writes: add a check, not valid"),
	ruleOf(`rename `, "renames what the release before uses: add another, and drop this one in an …_after.sql"),
	finallyOf(`(drop|alter (column )?\S+ drop) `, "drops what the release before uses"),
}

// TestRules holds migrations to what CONTRIBUTING.md says of them: the release before runs while they do, and after.
func TestRules(t *testing.T) {
	t.Parallel()

	names, err := fs.Glob(migrations.FS, "*")
	require.NoError(t, err)

	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		require.NoError(t, err)

		wrong := judge(name, string(text))
		if excepted[name] != "" {
			require.NotEmpty(t, wrong, "%s is in order: it needs no exception", name)

			continue
		}

		for _, w := range wrong {
			t.Errorf("%s: %s", name, w)
		}
	}
}

// The judge must be able to find guilt.
func TestJudge(t *testing.T) {
	t.Parallel()

	const outside = "-- +goose NO TRANSACTION\n"

	for _, c := range []struct{ head, up, want string }{
		{"", "create table a (n integer unique); create index a_idx on a (n); alter table a add check (n > 0); revoke update on a from imagerun_app;", ""},
		{"", "alter table job add column a text, add column b integer not null default 0, alter column kind set default 'x;y';", ""},
		{"", "alter table job add constraint c check (n > 0 and m in (1, 2)) not valid;", ""},
		{"", "alter table job validate constraint c;", ""},
		{"", "alter table job add constraint c unique using index job_idx;", ""},
		{"", "create or replace function f() returns void language sql as $$ drop table job; delete from job $$; comment on function f is 'drop; it''s';", ""},
		{"", "insert into schedule (name) values ('a'); -- delete from job;", ""},
		{outside, "drop index concurrently if exists job_idx; create unique index concurrently job_idx on job (kind);", ""},

		{"", "create index job_idx on job (kind);", "keeps writers out"},
		{"", "create table a (n integer); create unique index job_idx on job (kind);", "keeps writers out"},
		{outside, "create index concurrently job_idx on job (kind);", "invalid where it was interrupted"},
		{outside, "create index concurrently if not exists job_idx on job (kind);", "invalid where it was interrupted"},
		{outside, "drop index concurrently if exists job_idx; create index concurrently other_idx on job (kind);", "invalid where it was interrupted"},
		{outside, "alter table job add column a text;", "done by half"},
		{"", "alter table job add column a text not null;", "does not give"},
		{"", "alter table job add column a text, add column b text not null;", "does not give"},
		{"", "alter table job add column a integer check (a > 0);", "reads the table"},
		{"", "alter table job add column a uuid references upload (id);", "reads the table"},
		{"", "alter table job add column a uuid default gen_random_uuid();", "rewrites the table"},
		{"", "alter table job add column a bigserial;", "rewrites the table"},
		{"", "alter table job add check (n > 0);", "reads the table"},
		{"", "alter table job add constraint c foreign key (a) references b (id);", "reads the table"},
		{"", "alter table job add constraint c unique (kind);", "makes an index"},
		{"", "alter table job alter column args type text;", "rewrites the table"},
		{"", "alter table job alter column args set not null;", "reads the table"},
		{"", "alter table job rename column args to arguments;", "renames"},
		{"", "alter table job drop column args;", "drops what the release before uses"},
		{"", "alter table job alter column args drop not null;", "drops what the release before uses"},
		{"", "drop table job;", "drops what the release before uses"},
		{"", "drop function f;", "drops what the release before uses"},
		{"", "revoke update on job from imagerun_app;", "takes a right"},
		{"", "update job set kind = 'a';", "have a job do some at a time"},
		{"", "with a as (select 1) update job set kind = 'a';", "have a job do some at a time"},
		{"", "insert into schedule (name) select kind from job;", "have a job do some at a time"},
		{"", "do $$ begin delete from job; end $$;", "nobody has said"},
		{"", "lock table job;", "nobody has said"},
		{"", "alter table job cluster on job_idx;", "nobody has said"},
	} {
		got := strings.Join(judge("00099_it.sql", c.head+"-- +goose Up\n"+c.up+"\n-- +goose Down\ndrop table job;\n"), "\n")
		if c.want == "" {
			require.Empty(t, got, c.up)

			continue
		}

		require.Contains(t, got, c.want, c.up)
	}

	// What an …_after.sql may, and what it may not either.
	const up = "-- +goose Up\nalter table job drop column args; drop index job_idx; alter table job rename to jobs;\n"

	require.Len(t, judge("00099_it.sql", up), 3)
	require.Len(t, judge("00099_it_after.sql", up), 1)
}
