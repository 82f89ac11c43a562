package credits_test

import (
	"os"
	"regexp"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
)

// unchecked drops the constraints that make a wrong row impossible.
const unchecked = `do $$ declare c record; begin
	for c in select conrelid::regclass as of, conname from pg_constraint
		where contype = 'c' and conrelid = any (array['credit_grant', 'user_credit']::regclass[]) loop
		execute format('alter table %s drop constraint %I', c.of, c.conname);
	end loop; end $$; `

// The audit must be able to find what each invariant forbids, where a role that may do anything to
// the database did it.
func TestAudit_Finds(t *testing.T) {
	t.Parallel()

	task := uuid.New()

	cases := map[string]struct{ invariant, sql string }{
		"Unbalanced":       {"I1", `update ledger_posting set amount = amount + 1 where account = 'revenue'`},
		"GrantNotPostings": {"I2", `update credit_grant set remaining = remaining - 1, captured = captured + 1 where remaining > 0`},
		"Parts":            {"I3", unchecked + `update credit_grant set remaining = remaining + 1`},
		"Negative":         {"I4", unchecked + `update credit_grant set remaining = -1`},
		"CreditsAndDebt":   {"I5", unchecked + `update user_credit set debt = 1`},
		"NoAllocation":     {"I6", `delete from credit_hold_allocation`},
		"CapturedTwice": {"I7", `insert into ledger_txn select subject, 99, kind, source, 'again', task_id, image_index, actor, reason, available, held, debt, created_at
			from ledger_txn where kind = 'capture'`},
		"FailedAndPaid": {"I8", `insert into generation_user (user_id) values ('` + task.String() + `');
			insert into ai_task (id, user_id, provider, status, model, catalogue_hash, prompt, parameters, support_code, deadline_at, finished_at)
			values ('` + task.String() + `', '` + task.String() + `', 'fal', 'failed', 'm', 'h', 'p', '{}', 's', now(), now())`},
		"GrantNotBooked":   {"I9", `update ledger_txn set business_key = 'x' where kind = 'grant' and sequence = 1`},
		"HoldNotBooked":    {"I9", `update ledger_txn set kind = 'grant' where kind = 'hold'`},
		"BalanceOfNothing": {"I10", `update user_credit set held = held + 1`},
		"NotTakenBack":     {"I10", `insert into credit_claw select reference, subject, 1 from credit_grant`},
		"BeyondAvailable":  {"I11", `update ledger_txn set available = -1 where kind = 'hold'`},
		"ExpiredTooEarly":  {"I12", `update ledger_posting set account = 'expired' where account = 'revenue'`},
		"NotTheFold":       {"I13", `update ledger_txn set available = available + 1 where kind = 'capture'`},
		"NotTheLast":       {"I13", `update user_credit set version = version - 1`},
		"RefundOfNothing":  {"I14", `update credit_hold set refunded = 1`},
		"WrongOrder":       {"I15", `update credit_grant set priority = 99 where captured > 0`},
		"NamesSomebody":    {"I16", `alter table credit_hold add column user_id uuid`},
		"RefersToSomebody": {"I16", `alter table credit_hold add column who uuid references billing_subject (user_id) on delete cascade`},
		"ReaperBehind":     {"I17", `update credit_hold set closed_at = null, released = 0, auto_refund_at = now() - interval '2 hours'`},
		"Outlives":         {"I18", unchecked + `update credit_grant set expires_at = created_at + interval '71 hours', origin_expires_at = created_at - interval '98 hours'`},
		"EndedAndStillHolds": {"I17", `insert into ai_task (id, user_id, provider, status, model, catalogue_hash, prompt, parameters, support_code, deadline_at, finished_at)
			values ('` + task.String() + `', '` + task.String() + `', 'fal', 'canceled', 'm', 'h', 'p', '{}', 's', now(), now());
			update credit_hold set closed_at = null, released = 0`},
	}

	var looked []string
	for _, c := range cases {
		looked = append(looked, c.invariant)
	}

	require.Subset(t, looked, credits.Invariants())

	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			app, _, owner := devtest.PostgresURLs(t)

			b, err := newBundle(t.Context(), devtest.Pool(t, app))
			require.NoError(t, err)

			b.give(t, credits.SourcePack, "creem:1", 10, nil)
			b.time.Move(1000)
			b.give(t, credits.SourcePack, "creem:2", 10, nil)
			require.NoError(t, b.hold(task, 6))
			require.NoError(t, b.capture(task, 0, 2))
			b.release(t, task)
			b.has(t, credits.Balance{Available: 18})

			// A replica's session fires no trigger, and checks no reference.
			_, err = devtest.Pool(t, owner).Exec(t.Context(), "set session_replication_role = replica; "+c.sql, pgx.QueryExecModeSimpleProtocol)
			require.NoError(t, err)

			for _, subject := range []uuid.UUID{uuid.Nil, b.subject} {
				violations, err := credits.Audit(t.Context(), b.pool, subject)
				require.NoError(t, err)

				var got []string
				for _, v := range violations {
					got = append(got, v.Invariant)
				}

				require.Contains(t, got, c.invariant)
			}

			// Told one after the other, it says the same.
			want, err := credits.Audit(t.Context(), b.pool, uuid.Nil)
			require.NoError(t, err)

			told := 0
			violations, err := credits.AuditAll(t.Context(), b.pool, clock.System, func(done credits.Checked) { told += done.Found })
			require.NoError(t, err)
			require.Equal(t, want, violations)
			require.Len(t, violations, told)
		})
	}
}

// Each of the invariants that the package promises is looked for.
func TestInvariants(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)

	var promised []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(I\d+) `).FindAllStringSubmatch(string(text), -1) {
		promised = append(promised, m[1])
	}

	require.Len(t, promised, 18)
	require.Equal(t, promised, credits.Invariants())
}
