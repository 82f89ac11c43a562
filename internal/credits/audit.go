package credits

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/credits/db"
)

// Violation is an invariant that does not hold.
type Violation struct {
	Invariant string    // I1 to I17, as the package says them
	Subject   uuid.UUID // whose ledger; uuid.Nil: everybody's
	What      string    // ids and numbers alone
}

// String is for people.
func (v Violation) String() string {
	return v.Invariant + ": " + v.What + " (subject " + v.Subject.String() + ")"
}

// check is an invariant as a query for what breaks it. {x} limits the rows of alias x.
type check struct{ invariant, query string }

// found is how many violations of one kind are told: where there are more, the first will do.
const found = 20

var checks = []check{
	{"I1", `select t.subject, format('entry %s sums to %s', t.sequence, sum(p.amount))
		from ledger_txn t join ledger_posting p using (subject, sequence) where {t}
		group by t.subject, t.sequence having sum(p.amount) <> 0`},
	{"I2", `select p.subject, format('the postings sum to %s', sum(p.amount)) from ledger_posting p where {p}
		group by p.subject having sum(p.amount) <> 0`},
	{"I2", `select g.subject, format('grant %s is not what its postings come to', g.id) from credit_grant g, lateral (
			select coalesce(sum(amount) filter (where account = 'available'), 0) as remaining,
				coalesce(sum(amount) filter (where account = 'held'), 0) as held,
				coalesce(sum(amount) filter (where account in ('revenue', 'debt')), 0) as captured,
				coalesce(sum(amount) filter (where account = 'expired'), 0) as expired,
				coalesce(sum(amount) filter (where account = 'taken_back'), 0) as voided
			from ledger_posting p where p.grant_id = g.id
		) v where {g} and (g.remaining, g.held, g.captured, g.expired, g.voided)
			is distinct from (v.remaining, v.held, v.captured, v.expired, v.voided)`},
	{"I3", `select g.subject, format('grant %s', g.id) from credit_grant g
		where {g} and g.amount <> g.remaining + g.held + g.captured + g.expired + g.voided`},
	{"I4", `select g.subject, format('grant %s', g.id) from credit_grant g
		where {g} and least(g.remaining, g.held, g.captured, g.expired, g.voided, g.compensated, g.clawed, g.charged) < 0`},
	{"I5", `select c.subject, 'has credits and debt, or less than nothing' from user_credit c
		where {c} and (least(c.available, c.held, c.debt) < 0 or (c.available > 0 and c.debt > 0))`},
	{"I6", `select h.subject, format('hold of %s', h.task_id) from credit_hold h,
		lateral (select coalesce(sum(a.amount), 0) as amount, coalesce(sum(a.captured), 0) as captured, coalesce(sum(a.released), 0) as released
			from credit_hold_allocation a where a.task_id = h.task_id) a,
		lateral (select coalesce(-sum(p.amount) filter (where t.kind = 'capture'), 0) as captured,
				coalesce(-sum(p.amount) filter (where t.kind = 'release'), 0) as released,
				coalesce(sum(p.amount) filter (where t.kind = 'hold'), 0) as amount
			from ledger_txn t join ledger_posting p using (subject, sequence) where t.task_id = h.task_id and p.account = 'held') p
		where {h} and ((h.amount, h.captured, h.released) is distinct from (a.amount, a.captured, a.released)
			or (h.amount, h.captured, h.released) is distinct from (p.amount, p.captured, p.released)
			or (h.closed_at is null and h.released > 0)
			or (h.closed_at is not null and h.captured + h.released <> h.amount))`},
	{"I7", `select t.subject, format('image %s of %s was captured %s times', t.image_index, t.task_id, count(*)) from ledger_txn t
		where {t} and t.kind = 'capture' group by t.subject, t.task_id, t.image_index having count(*) > 1`},
	{"I7", `select t.subject, format('image %s of %s was captured and is %s', t.image_index, t.task_id, i.status) from ledger_txn t
		join ai_image i on i.task_id = t.task_id and i.index = t.image_index
		where {t} and t.kind = 'capture' and i.status <> 'stored'`},
	{"I8", `select h.subject, format('%s is %s and cost %s', h.task_id, k.status, h.captured) from credit_hold h
		join ai_task k on k.id = h.task_id where {h} and k.status in ('failed', 'blocked', 'expired') and h.captured > 0`},
	{"I9", `select g.subject, format('grant %s was booked %s times', g.id, count(t.*)) from credit_grant g
		left join ledger_txn t on t.business_key in ('grant:' || g.reference, g.reference) and t.subject = g.subject
		where {g} group by g.subject, g.id having count(t.*) <> 1`},
	{"I9", `select h.subject, format('hold of %s was booked %s times', h.task_id, count(t.*)) from credit_hold h
		left join ledger_txn t on t.task_id = h.task_id and t.kind = 'hold' where {h} group by h.subject, h.task_id having count(t.*) <> 1`},
	{"I10", `select c.subject, 'the balance is not what grants and holds come to' from user_credit c,
		lateral (select coalesce(sum(remaining), 0) as remaining, coalesce(sum(held), 0) as held,
				coalesce(sum(captured), 0) as captured, coalesce(sum(charged), 0) as charged
			from credit_grant g where g.subject = c.subject) g,
		lateral (select coalesce(sum(captured), 0) as captured, coalesce(sum(amount - captured - released), 0) as held
			from credit_hold h where h.subject = c.subject) h
		where {c} and (c.available, c.held, c.held, c.debt) is distinct from (g.remaining, g.held, h.held, g.charged - (g.captured - h.captured))`},
	{"I10", `select g.subject, format('of grant %s less was taken back than there was', g.id) from credit_grant g
		join credit_claw w on w.reference = g.reference
		where {g} and (g.clawed <> least(w.credits, g.amount)
			or (g.held = 0 and g.voided + g.charged < g.clawed - (g.expired - g.compensated)))`},
	{"I11", `select t.subject, format('entry %s holds more than was available', t.sequence) from ledger_txn t
		where {t} and (least(t.available, t.held, t.debt) < 0 or (t.kind = 'hold' and t.debt > 0))`},
	{"I12", `select g.subject, format('grant %s expired before its time', g.id) from credit_grant g
		join ledger_posting p on p.grant_id = g.id and p.account = 'expired' join ledger_txn t on t.subject = p.subject and t.sequence = p.sequence
		where {g} and (g.expires_at is null or t.created_at < g.expires_at)`},
	{"I12", `select g.subject, format('grant %s expired again', g.id) from credit_grant g, lateral (
			select count(*) as times from ledger_posting p join ledger_txn t using (subject, sequence)
			where p.grant_id = g.id and p.account = 'expired' and t.business_key not like 'release:%'
		) v where {g} and v.times > 1`},
	{"I13", `select f.subject, format('entry %s is not the fold of the postings', f.sequence) from (
			select t.subject, t.sequence, t.available, t.held, t.debt,
				row_number() over w as n, sum(v.available) over w as a, sum(v.held) over w as h, sum(v.debt) over w as d
			from ledger_txn t, lateral (
				select coalesce(sum(amount) filter (where account = 'available'), 0) as available,
					coalesce(sum(amount) filter (where account = 'held'), 0) as held,
					coalesce(-sum(amount) filter (where account = 'debt'), 0) as debt
				from ledger_posting p where p.subject = t.subject and p.sequence = t.sequence
			) v where {t} window w as (partition by t.subject order by t.sequence)
		) f where (f.sequence, f.available, f.held, f.debt) is distinct from (f.n, f.a, f.h, f.d)`},
	{"I13", `select c.subject, 'the balance is not its last entry' from user_credit c
		left join lateral (select * from ledger_txn t where t.subject = c.subject order by t.sequence desc limit 1) t on true
		where {c} and (c.version, c.available, c.held, c.debt) is distinct from
			(coalesce(t.sequence, 0), coalesce(t.available, 0), coalesce(t.held, 0), coalesce(t.debt, 0))`},
	{"I14", `select h.subject, format('refunds of %s come to %s of %s', h.task_id, v.refunded, h.captured) from credit_hold h, lateral (
			select coalesce(sum(p.amount), 0) as refunded from ledger_txn t join ledger_posting p using (subject, sequence)
			where t.task_id = h.task_id and t.kind = 'refund' and p.account = 'available'
		) v where {h} and (v.refunded <> h.refunded or h.refunded > h.captured)`},
	{"I15", `select t.subject, format('hold of %s left grant %s, which was next', t.task_id, g.id) from ledger_txn t
		join credit_hold_allocation a on a.task_id = t.task_id join credit_grant w on w.id = a.grant_id
		join credit_grant g on g.subject = t.subject and (g.expires_at is null or g.expires_at > t.created_at)
			and (g.priority, coalesce(g.expires_at, 'infinity'), g.created_at, g.id) < (w.priority, coalesce(w.expires_at, 'infinity'), w.created_at, w.id)
		where {t} and t.kind = 'hold' and (
			select coalesce(sum(p.amount), 0) from ledger_posting p
			where p.grant_id = g.id and p.account = 'available' and p.sequence <= t.sequence
		) > 0`},
	{"I16", `select null::uuid, format('column %s.%s', c.relname, a.attname) from pg_attribute a join pg_class c on c.oid = a.attrelid
		where $1::uuid is not distinct from $1 and c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
			and c.relname = any (array['user_credit', 'credit_grant', 'credit_claw', 'credit_hold', 'credit_hold_allocation', 'ledger_txn', 'ledger_posting', 'signup_tombstone'])
			and a.attname ~ '(user_id|email|name|phone|^ip|^address$|prompt)'`},
	{"I16", `select null::uuid, format('%s refers to %s', c.conrelid::regclass, c.confrelid::regclass) from pg_constraint c
		where $1::uuid is not distinct from $1 and c.contype = 'f'
			and c.conrelid = any (array['user_credit', 'credit_grant', 'credit_claw', 'credit_hold', 'credit_hold_allocation', 'ledger_txn', 'ledger_posting', 'signup_tombstone']::regclass[])
			and (c.confdeltype <> 'a' or c.confrelid <> all (array['user_credit', 'credit_grant', 'credit_hold', 'ledger_txn']::regclass[]))`},
	{"I17", `select h.subject, format('%s is %s and holds %s', h.task_id, k.status, h.amount - h.captured) from credit_hold h
		join ai_task k on k.id = h.task_id where {h} and h.closed_at is null and k.finished_at is not null`},
	{"I17", `select h.subject, format('hold of %s was to end at %s', h.task_id, h.auto_refund_at) from credit_hold h
		where {h} and h.closed_at is null and h.auto_refund_at < now() - interval '1 hour'`},
}

// Checked is one query of an audit that was made.
type Checked struct {
	Invariant string
	N, Of     int // it is the n-th of so many
	Found     int // violations; where there are more than twenty, twenty
	Took      time.Duration
}

// Invariants returns their names, I1 to I17, in the order of an audit.
func Invariants() []string {
	list := make([]string, 0, len(checks))
	for _, c := range checks {
		list = append(list, c.invariant)
	}

	return slices.Compact(list)
}

// snapshots is what [Audit] needs of a pool.
type snapshots interface {
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
}

// Audit looks for whatever breaks an invariant: in one subject's ledger, or with uuid.Nil in
// everybody's. It reads one snapshot and locks nothing; over everybody it reads the whole ledger.
func Audit(ctx context.Context, pool snapshots, subject uuid.UUID) ([]Violation, error) {
	a := audit{scope: ".subject = $1", arg: &subject}
	if subject == uuid.Nil {
		a = audit{}
	}

	err := a.snapshot(ctx, pool, func(tx pgx.Tx) error {
		var batch pgx.Batch

		for _, c := range checks {
			batch.Queue(a.query(c), a.arg).Query(func(rows pgx.Rows) error { return a.take(c, rows) })
		}

		return tx.SendBatch(ctx, &batch).Close()
	})

	return a.list, err
}

// AuditAll is [Audit] of everybody's ledger, one query after the other, and tells of each.
func AuditAll(ctx context.Context, pool snapshots, now clock.Now, tell func(Checked)) ([]Violation, error) {
	var a audit

	err := a.snapshot(ctx, pool, func(tx pgx.Tx) error {
		for i, c := range checks {
			before, begun := len(a.list), now()

			rows, err := tx.Query(ctx, a.query(c), a.arg)
			if err != nil {
				return wrap(err, c.invariant)
			}

			if err := a.take(c, rows); err != nil {
				return err
			}

			tell(Checked{c.invariant, i + 1, len(checks), len(a.list) - before, now().Sub(begun)})
		}

		return nil
	})

	return a.list, err
}

// RecordAudit notes what an audit of everybody's ledger found, for the metrics and as evidence.
func RecordAudit(ctx context.Context, tx db.DBTX, at time.Time, list []Violation) error {
	err := db.New().AuditRecord(ctx, tx, db.AuditRecordParams{At: at, Breaches: int32(len(list))}) //nolint:gosec // dozens at most

	return wrap(err, "record audit of credits")
}

// audit is one at work.
type audit struct {
	scope string     // empty: everybody
	arg   *uuid.UUID // nil: everybody
	list  []Violation
}

// snapshot runs f in a transaction that sees one state and can change none.
func (a *audit) snapshot(ctx context.Context, pool snapshots, f func(pgx.Tx) error) error {
	err := pgx.BeginTxFunc(ctx, pool, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if a.arg == nil {
			if _, err := tx.Exec(ctx, "set local statement_timeout = 0"); err != nil {
				return err
			}
		}

		return f(tx)
	})

	return wrap(err, "audit credits")
}

func (a *audit) query(c check) string {
	return scoped(c.query, a.scope) + fmt.Sprintf(" limit %d", found)
}

func (a *audit) take(c check, rows pgx.Rows) error {
	var (
		whose *uuid.UUID
		what  string
	)

	_, err := pgx.ForEachRow(rows, []any{&whose, &what}, func() error {
		v := Violation{Invariant: c.invariant, What: what}
		if whose != nil {
			v.Subject = *whose
		}

		a.list = append(a.list, v)

		return nil
	})

	return wrap(err, c.invariant)
}

// scoped fills in the limits: "{x}" becomes "x" and the scope, or what is true of all.
func scoped(query, scope string) string {
	for _, alias := range []string{"t", "p", "g", "c", "h"} {
		to := alias + scope
		if scope == "" {
			to = "$1::uuid is null"
		}

		query = strings.ReplaceAll(query, "{"+alias+"}", to)
	}

	return query
}

func wrap(err error, what string) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}

	return nil
}
