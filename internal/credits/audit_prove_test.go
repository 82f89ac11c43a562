package credits_test

import (
	"context"
	"crypto/md5" //nolint:gosec // names for rows, not a secret
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
)

// roundEntries is how many entries a round of [manyRounds] has.
const roundEntries = 155

// manyRounds writes the ledger of subject $1, who bought 1,000 credits and spends others in $2 rounds: each
// is 106 promotional credits that last for years, 50 generations that hold 6, pay 2 and give back 4, one
// that pays the 6 that are left, and a gift of 6 that expires at once.
const manyRounds = `
create temp table round as select 2 + r * 155 as s, md5('grant' || $1 || r)::uuid as id, md5('gift' || $1 || r)::uuid as gift, r from generate_series(0, $2 - 1) r;
create temp table gen as select id, s + 1 + i * 3 as s, md5('task' || $1 || r || '.' || i)::uuid as task, 1106 - 2 * i as had,
	case when i < 50 then 2 else 6 end as cost from round, generate_series(0, 50) i;
insert into user_credit (subject, version, available) values ($1, 1 + $2 * 155, 1000);
insert into credit_grant (id, subject, source, reference, priority, amount, remaining, captured, expired, created_at, expires_at)
	select md5('pack' || $1)::uuid, $1::uuid, 'pack', 'creem:' || $1, 30, 1000, 1000, 0, 0, at(1), null::timestamptz
	union all select id, $1, 'promotion', 'promo:' || id, 10, 106, 0, 106, 0, at(s), at(s + 1000000000) from round
	union all select gift, $1, 'promotion', 'promo:' || gift, 10, 6, 0, 0, 6, at(s + 153), at(s + 154) from round;
insert into credit_hold (task_id, subject, amount, captured, released, auto_refund_at, created_at, closed_at)
	select task, $1, 6, cost, 6 - cost, at(s + 9), at(s), at(s + 2) from gen;
insert into credit_hold_allocation select task, 0, id, 6, cost, 6 - cost from gen;
insert into ledger_txn (subject, sequence, kind, source, business_key, task_id, image_index, actor, available, held, debt, created_at)
	select $1::uuid, s, kind, source, key, task, image, 'system', available, held, 0, at(s) from (
		select 1 as s, 'grant' as kind, 'pack' as source, 'grant:creem:' || $1 as key, null::uuid as task, null::int as image, 1000 as available, 0 as held
		union all select s, 'grant', 'promotion', 'grant:promo:' || id, null, null, 1106, 0 from round
		union all select s, 'hold', null, 'hold:' || task, task, null, had - 6, 6 from gen
		union all select s + 1, 'capture', null, 'capture:' || task || ':0', task, 0, had - 6, 6 - cost from gen
		union all select s + 2, 'release', null, 'release:' || task, task, null, had - 2, 0 from gen where cost = 2
		union all select s + 153, 'grant', 'promotion', 'grant:promo:' || gift, null, null, 1006, 0 from round
		union all select s + 154, 'expire', 'promotion', 'expire:' || gift, null, null, 1000, 0 from round
	) e order by s;
insert into ledger_posting (subject, sequence, account, grant_id, amount)
	select $1::uuid, s, account, id, amount from (
		select 1 as s, md5('pack' || $1)::uuid as id, 'issued_paid' as one, 'available' as other, 1000 as n
		union all select s, id, 'issued_free', 'available', 106 from round
		union all select s, id, 'available', 'held', 6 from gen
		union all select s + 1, id, 'held', 'revenue', cost from gen
		union all select s + 2, id, 'held', 'available', 4 from gen where cost = 2
		union all select s + 153, gift, 'issued_free', 'available', 6 from round
		union all select s + 154, gift, 'available', 'expired', 6 from round
	) e, lateral (values (one, -n), (other, n)) l (account, amount) order by s;
drop table gen, round;
`

// taskRow is a generation of the ledger's own, as it ended.
const taskRow = `insert into ai_task (id, user_id, provider, status, model, catalogue_hash, prompt, parameters, support_code, deadline_at, finished_at)
	values ({task}, {subject}, 'fal', '%s', 'm', 'h', 'p', '{}', {task}, now(), now());`

// ends keeps a fault to its round: what is wrongly left of the grant then ends with it.
const ends = `update credit_grant set expires_at = at({last}) where id = {grant};`

// plants are the faults there can be of what is in a round: the invariant that they break, how it is said, and the statements.
// {s} is the hold of one of its generations, {first} and {last} are the grant and the expiry.
var plants = []struct{ invariant, said, sql string }{
	{"I1", `entry {s+1} sums to 1`, `update ledger_posting set amount = amount + 1 where subject = {subject} and sequence = {s} + 1 and account = 'revenue'`},
	{"I2", `grant {grant} is not what its postings come to`, `update credit_grant set captured = captured - 1, expired = expired + 1 where id = {grant}`},
	{"I2", `entry {s} is posted to grant {pack+}, which is not theirs`, ends +
		`update ledger_posting set grant_id = {pack+} where subject = {subject} and sequence = {s}`},
	{"I3", `grant {grant}`, unchecked + `update credit_grant set expired = expired + 1 where id = {grant}`},
	{"I4", `grant {grant}`, unchecked + `update credit_grant set remaining = -1, expired = expired + 1 where id = {grant}`},
	{"I6", `hold of {task}`, `delete from credit_hold_allocation where task_id = {task}`},
	{"I6", `what the hold of {task} has of grant {pack} is not what was posted`, `update credit_hold_allocation set grant_id = {pack} where task_id = {task}`},
	{"I7", `image 0 of {task} was captured 2 times`, `insert into ledger_txn select subject, 9000000 + sequence, kind, source, business_key || '+', task_id, image_index,
		actor, reason, available, held, debt, created_at from ledger_txn where subject = {subject} and sequence = {s} + 1`},
	{"I7", `image 0 of {task} was captured and is blocked`, fmt.Sprintf(taskRow, "partial") +
		`insert into ai_image (task_id, index, status, key, thumbnail_key) values ({task}, 0, 'blocked', {task}, {task})`},
	{"I8", `{task} is failed and cost 2`, fmt.Sprintf(taskRow, "failed")},
	{"I9", `grant {grant} was booked 0 times`, `update ledger_txn set business_key = 'x' || business_key where subject = {subject} and sequence = {first}`},
	{"I9", `hold of {task} was booked 0 times`, `update ledger_txn set kind = 'grant' where subject = {subject} and sequence = {s}`},
	{"I10", `of grant {grant} less was taken back than there was`, `insert into credit_claw values ('promo:' || {grant}, {subject}, 1)`},
	{"I11", `entry {s} holds more than was available`, `update ledger_txn set available = -1 where subject = {subject} and sequence = {s}`},
	{"I12", `grant {gift} expired before its time`, `update ledger_txn set created_at = at({s}) where subject = {subject} and sequence = {last}`},
	{"I12", `grant {grant} expired again`, `update ledger_posting set account = 'expired' where subject = {subject} and sequence in ({s} + 1, {s} + 4) and account = 'revenue'`},
	{"I13", `entry {s} is not the fold of the postings`, `update ledger_txn set held = held + 1 where subject = {subject} and sequence = {s}`},
	{"I14", `refunds of {task} come to 0 of 2`, `update credit_hold set refunded = 1 where task_id = {task}`},
	{"I15", `hold of {task} left grant {grant}, which was next`, ends + `update credit_hold_allocation set grant_id = {pack} where task_id = {task};
		update ledger_posting set grant_id = {pack} where subject = {subject} and sequence = {s}`},
	{"I17", `{task} is canceled and holds 4`, fmt.Sprintf(taskRow, "canceled") + `update credit_hold set closed_at = null, released = 0 where task_id = {task}`},
	{"I17", `hold of {task} was to end at 2026-01`, `update credit_hold set closed_at = null, released = 0 where task_id = {task}`},
	{"I18", `grant {grant} lasts longer than what is given anew may`, unchecked + `update credit_grant set origin_expires_at = expires_at where id = {grant}`},
	{"I18", `grant {gift} does not know when its credits first were to expire`,
		`update credit_grant set reference = 'release:x+compensation:' || {grant} where id = {gift}`},
}

// subjectPlants are the faults of a balance.
var subjectPlants = []struct{ invariant, said, sql string }{
	{"I2", `the postings sum to`, ``}, // those of I1
	{"I5", `has credits and debt, or less than nothing`, unchecked + `update user_credit set debt = 1 where subject = {subject}`},
	{"I10", `the balance is not what grants and holds come to`, `update user_credit set held = held + 1 where subject = {subject}`},
	{"I13", `the balance is not its last entry`, `update user_credit set version = version - 1 where subject = {subject}`},
}

// watched is a connection whose snapshots are watched from another.
type watched struct {
	*pgx.Conn

	t     *testing.T
	other *pgxpool.Pool
	begun int
}

func (w *watched) BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error) {
	w.begun++
	w.holdsNone()

	return w.Conn.BeginTx(ctx, o)
}

// holdsNone demands that nothing in the database has to be kept for the audit now.
func (w *watched) holdsNone() {
	var holds bool

	require.NoError(w.t, w.other.QueryRow(w.t.Context(), `select backend_xmin is not null or backend_xid is not null
		from pg_stat_activity where pid = $1`, w.PgConn().PID()).Scan(&holds))
	require.False(w.t, holds, "the audit holds a snapshot between its queries")
}

// However many entries a subject has, the audit goes through them once for each question, holds no snapshot
// while it does so, and finds what is wrong at the beginning, in the middle and at the end of everything.
func TestProveAudit_ManyEntries(t *testing.T) {
	t.Parallel()

	rounds := 207 // 32,000 entries
	if proving() {
		rounds = 6452 // 1,000,000
	}

	app, _, url := devtest.PostgresURLs(t)
	pool := devtest.Pool(t, app)

	owner, err := devtest.Pool(t, url).Acquire(t.Context())
	require.NoError(t, err)
	defer owner.Release()

	exec := func(sql string, args ...any) {
		_, err := owner.Exec(t.Context(), sql, append([]any{pgx.QueryExecModeSimpleProtocol}, args...)...)
		require.NoError(t, err)
	}

	// A replica's session fires no trigger, and checks no reference.
	exec(`set session_replication_role = replica; set statement_timeout = 0;
		create function at(n bigint) returns timestamptz language sql stable return timestamptz '2026-01-01 00:00Z' + n * interval '1 second'`)

	subjects := []uuid.UUID{{15: 1}, {0: 128}, uuid.Max} // the ends of all ids, and one that has most entries
	lengths := []int{140, rounds, 140}
	begun, entries := clock.System(), 0

	for i, subject := range subjects {
		exec(manyRounds, subject.String(), lengths[i])

		entries += 1 + lengths[i]*roundEntries
	}

	exec(`insert into generation_user (user_id) select subject from user_credit; analyze`)
	t.Logf("%d entries written in %s", entries, clock.System().Sub(begun))

	conn, err := pool.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()

	w := &watched{Conn: conn.Conn(), t: t, other: pool}

	var told []credits.Checked

	violations, err := credits.AuditAll(t.Context(), w, clock.System, func(done credits.Checked) {
		w.holdsNone()
		t.Logf("%d of %d entries, %s", done.Entries, done.Of, done.Took)

		told = append(told, done)
	})
	require.NoError(t, err)
	require.Empty(t, violations)
	require.Len(t, told, 3, "the ranges: one of each, here")
	require.EqualValues(t, entries, told[2].Entries)
	require.EqualValues(t, entries, told[2].Of)
	require.Greater(t, w.begun, 3*20)

	for _, places := range [][]place{
		{{subjects[0], 0, 1}, {subjects[1], 0, 1}},
		{{subjects[1], rounds / 2, 1}},
		{{subjects[1], rounds - 1, -1}, {subjects[2], 139, -1}},
	} {
		tx, err := owner.Begin(t.Context())
		require.NoError(t, err)

		var want []credits.Violation

		for _, p := range places {
			want = append(want, p.plant(exec)...)
		}

		got, err := credits.AuditAll(t.Context(), nested{tx}, clock.System, func(credits.Checked) {})
		require.NoError(t, err)

		for _, v := range want {
			require.True(t, said(got, v), "%s was not found in %v", v, places)
		}

		require.NoError(t, tx.Rollback(t.Context()))
	}
}

// nested has the audit see what a transaction has done.
type nested struct{ pgx.Tx }

func (n nested) BeginTx(ctx context.Context, _ pgx.TxOptions) (pgx.Tx, error) { return n.Begin(ctx) }

// place is where faults are planted, each in a round of its own.
type place struct {
	subject     uuid.UUID
	round, step int
}

func (p place) plant(exec func(sql string, args ...any)) (want []credits.Violation) {
	for _, f := range subjectPlants {
		exec(planted(f.sql, p.subject, 0))

		want = append(want, credits.Violation{Invariant: f.invariant, Subject: p.subject, What: f.said})
	}

	for n, f := range plants {
		round := p.round + n*p.step
		exec(planted(f.sql, p.subject, round))

		want = append(want, credits.Violation{Invariant: f.invariant, Subject: p.subject, What: planted(f.said, p.subject, round)})
	}

	return want
}

func said(list []credits.Violation, v credits.Violation) bool {
	for _, got := range list {
		if got.Invariant == v.Invariant && got.Subject == v.Subject && strings.HasPrefix(got.What, v.What) {
			return true
		}
	}

	return false
}

// planted fills in the places of a round: its grant, the eighth of its generations, and their entries.
func planted(text string, subject uuid.UUID, round int) string {
	const generation = 7

	first := 2 + round*roundEntries
	id := func(format string, args ...any) string {
		return uuid.UUID(md5.Sum(fmt.Appendf(nil, format, args...))).String() //nolint:gosec // names for rows, not a secret
	}

	other := uuid.Max
	if subject == other {
		other = uuid.UUID{15: 1}
	}

	quoted := func(id string) string { return id }
	if strings.ContainsAny(text, "=(;") { // it is SQL
		quoted = func(id string) string { return "'" + id + "'" }
	}

	return strings.NewReplacer(
		"{subject}", quoted(subject.String()), "{task}", quoted(id("task%s%d.%d", subject, round, generation)),
		"{grant}", quoted(id("grant%s%d", subject, round)), "{gift}", quoted(id("gift%s%d", subject, round)), "{pack}", quoted(id("pack%s", subject)), "{pack+}", quoted(id("pack%s", other)),
		"{s}", fmt.Sprint(first+1+generation*3), "{s+1}", fmt.Sprint(first+2+generation*3),
		"{first}", fmt.Sprint(first), "{last}", fmt.Sprint(first+roundEntries-1),
	).Replace(text)
}
