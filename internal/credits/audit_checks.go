package credits

import (
	"fmt"
	"strings"
)

// check is an invariant as a query for what breaks it. {x} limits the rows of alias x to the subjects that
// are audited. A query reads these once and adds up as it goes: none looks for a row's others one by one.
type check struct{ invariant, query string }

// buildQuery is the query within a scope, such as ".subject = $1".
func (c check) buildQuery(scope string) string {
	query := c.query
	for _, alias := range []string{"t", "p", "g", "c", "h"} {
		query = strings.ReplaceAll(query, "{"+alias+"}", alias+scope)
	}

	return fmt.Sprintf("%s limit %d", query, maxFound)
}

// checks are all but I15, which [audit.replayEntries] looks for, and those of the schema.
var checks = []check{
	{"I1", `select p.subject, format('entry %s sums to %s', p.sequence, sum(p.amount)) from ledger_posting p where {p}
		group by p.subject, p.sequence having sum(p.amount) <> 0`},
	{"I2", `select p.subject, format('the postings sum to %s', sum(p.amount)) from ledger_posting p where {p}
		group by p.subject having sum(p.amount) <> 0`},
	{"I2", `select g.subject, format('grant %s is not what its postings come to', g.id) from credit_grant g left join (
			select p.grant_id, sum(amount) filter (where account = 'available') as remaining,
				sum(amount) filter (where account = 'held') as held,
				sum(amount) filter (where account in ('revenue', 'debt')) as captured,
				sum(amount) filter (where account = 'expired') as expired,
				sum(amount) filter (where account = 'taken_back') as voided
			from ledger_posting p where {p} group by p.grant_id
		) v on v.grant_id = g.id
		where {g} and (g.remaining, g.held, g.captured, g.expired, g.voided) is distinct from
			(coalesce(v.remaining, 0), coalesce(v.held, 0), coalesce(v.captured, 0), coalesce(v.expired, 0), coalesce(v.voided, 0))`},
	{"I2", `select p.subject, format('entry %s is posted to grant %s, which is not theirs', p.sequence, p.grant_id)
		from ledger_posting p left join credit_grant g on g.id = p.grant_id
		where {p} and p.grant_id is not null and g.subject is distinct from p.subject`},
	{"I3", `select g.subject, format('grant %s', g.id) from credit_grant g
		where {g} and g.amount <> g.remaining + g.held + g.captured + g.expired + g.voided`},
	{"I4", `select g.subject, format('grant %s', g.id) from credit_grant g
		where {g} and least(g.remaining, g.held, g.captured, g.expired, g.voided, g.compensated, g.clawed, g.charged) < 0`},
	{"I5", `select c.subject, 'has credits and debt, or less than nothing' from user_credit c
		where {c} and (least(c.available, c.held, c.debt) < 0 or (c.available > 0 and c.debt > 0))`},
	{"I6", `select h.subject, format('hold of %s', h.task_id) from credit_hold h left join (
			select a.task_id, sum(a.amount) as amount, sum(a.captured) as captured, sum(a.released) as released
			from credit_hold h join credit_hold_allocation a using (task_id) where {h} group by a.task_id
		) a on a.task_id = h.task_id
		where {h} and ((h.amount, h.captured, h.released) is distinct from (coalesce(a.amount, 0), coalesce(a.captured, 0), coalesce(a.released, 0))
			or (h.closed_at is null and h.released > 0)
			or (h.closed_at is not null and h.captured + h.released <> h.amount))`},
	{"I6", `select coalesce(a.subject, p.subject), format('what the hold of %s has of grant %s is not what was posted', task_id, grant_id) from (
			select h.subject, a.task_id, a.grant_id, a.amount, a.captured, a.released
			from credit_hold h join credit_hold_allocation a using (task_id) where {h}
		) a full join (
			select t.subject, t.task_id, p.grant_id, coalesce(sum(p.amount) filter (where t.kind = 'hold'), 0) as amount,
				coalesce(-sum(p.amount) filter (where t.kind = 'capture'), 0) as captured,
				coalesce(-sum(p.amount) filter (where t.kind = 'release'), 0) as released
			from ledger_txn t join ledger_posting p using (subject, sequence)
			where {t} and {p} and t.task_id is not null and p.account = 'held' group by t.subject, t.task_id, p.grant_id
		) p using (subject, task_id, grant_id)
		where (a.amount, a.captured, a.released) is distinct from (p.amount, p.captured, p.released)`},
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
	{"I9", `select h.subject, format('hold of %s was booked %s times', h.task_id, coalesce(v.times, 0)) from credit_hold h left join (
			select t.task_id, count(*) as times from ledger_txn t where {t} and t.kind = 'hold' group by t.task_id
		) v on v.task_id = h.task_id where {h} and v.times is distinct from 1`},
	{"I10", `select c.subject, 'the balance is not what grants and holds come to' from user_credit c left join (
			select g.subject, sum(remaining) as remaining, sum(held) as held, sum(captured) as captured, sum(charged) as charged
			from credit_grant g where {g} group by g.subject
		) g on g.subject = c.subject left join (
			select h.subject, sum(captured) as captured, sum(amount - captured - released) as held
			from credit_hold h where {h} group by h.subject
		) h on h.subject = c.subject
		where {c} and (c.available, c.held, c.held, c.debt) is distinct from (coalesce(g.remaining, 0), coalesce(g.held, 0), coalesce(h.held, 0),
			coalesce(g.charged, 0) - (coalesce(g.captured, 0) - coalesce(h.captured, 0)))`},
	{"I10", `select g.subject, format('of grant %s less was taken back than there was', g.id) from credit_grant g
		join credit_claw w on w.reference = g.reference
		where {g} and (g.clawed <> least(w.credits, g.amount)
			or (g.held = 0 and g.voided + g.charged < g.clawed - (g.expired - g.compensated)))`},
	{"I11", `select t.subject, format('entry %s holds more than was available', t.sequence) from ledger_txn t
		where {t} and (least(t.available, t.held, t.debt) < 0 or (t.kind = 'hold' and t.debt > 0))`},
	{"I12", `select p.subject, format('grant %s expired before its time', g.id) from ledger_posting p
		join credit_grant g on g.id = p.grant_id join ledger_txn t on t.subject = p.subject and t.sequence = p.sequence
		where {p} and p.account = 'expired' and (g.expires_at is null or t.created_at < g.expires_at)`},
	{"I12", `select p.subject, format('grant %s expired again', p.grant_id) from ledger_posting p join ledger_txn t using (subject, sequence)
		where {p} and p.account = 'expired' and p.grant_id is not null and t.business_key not like 'release:%'
		group by p.subject, p.grant_id having count(*) > 1`},
	{"I13", `select f.subject, format('entry %s is not the fold of the postings', f.sequence) from (
			select t.subject, t.sequence, t.available, t.held, t.debt, row_number() over w as n,
				sum(coalesce(v.available, 0)) over w as a, sum(coalesce(v.held, 0)) over w as h, sum(coalesce(v.debt, 0)) over w as d
			from ledger_txn t left join (
				select p.subject, p.sequence, sum(amount) filter (where account = 'available') as available,
					sum(amount) filter (where account = 'held') as held, -sum(amount) filter (where account = 'debt') as debt
				from ledger_posting p where {p} group by p.subject, p.sequence
			) v using (subject, sequence) where {t} window w as (partition by t.subject order by t.sequence)
		) f where (f.sequence, f.available, f.held, f.debt) is distinct from (f.n, f.a, f.h, f.d)`},
	{"I13", `select c.subject, 'the balance is not its last entry' from user_credit c left join (
			select distinct on (t.subject) t.subject, t.sequence, t.available, t.held, t.debt
			from ledger_txn t where {t} order by t.subject desc, t.sequence desc
		) t on t.subject = c.subject
		where {c} and (c.version, c.available, c.held, c.debt) is distinct from
			(coalesce(t.sequence, 0), coalesce(t.available, 0), coalesce(t.held, 0), coalesce(t.debt, 0))`},
	{"I14", `select h.subject, format('refunds of %s come to %s of %s', h.task_id, coalesce(v.refunded, 0), h.captured) from credit_hold h left join (
			select t.task_id, sum(p.amount) as refunded from ledger_txn t join ledger_posting p using (subject, sequence)
			where {t} and t.kind = 'refund' and p.account = 'available' group by t.task_id
		) v on v.task_id = h.task_id where {h} and (coalesce(v.refunded, 0) <> h.refunded or h.refunded > h.captured)`},
	{"I17", `select h.subject, format('%s is %s and holds %s', h.task_id, k.status, h.amount - h.captured) from credit_hold h
		join ai_task k on k.id = h.task_id where {h} and h.closed_at is null and k.finished_at is not null`},
	{"I17", `select h.subject, format('hold of %s was to end at %s', h.task_id, h.auto_refund_at) from credit_hold h
		where {h} and h.closed_at is null and h.auto_refund_at < now() - interval '1 hour'`},
	{"I18", `select g.subject, format('grant %s lasts longer than what is given anew may', g.id) from credit_grant g
		where {g} and g.origin_expires_at is not null
			and (g.expires_at <= least(g.created_at + interval '72 hours', g.origin_expires_at + interval '168 hours')) is not true`},
	{"I18", `select g.subject, format('grant %s does not know when its credits first were to expire', g.id) from credit_grant g
		left join credit_grant o on o.id = substring(g.reference from '[+]compensation:([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$')::uuid
		where {g} and g.reference like 'release:%+compensation:%' and g.origin_expires_at is distinct from coalesce(o.origin_expires_at, o.expires_at)`},
}

// schemaChecks ask what the tables of the ledger may hold at all: once, whichever subject is audited.
var schemaChecks = []check{
	{"I16", `select null::uuid, format('column %s.%s', c.relname, a.attname) from pg_attribute a join pg_class c on c.oid = a.attrelid
		where c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
			and c.relname = any (array['user_credit', 'credit_grant', 'credit_claw', 'credit_hold', 'credit_hold_allocation', 'ledger_txn', 'ledger_posting', 'signup_tombstone'])
			and a.attname ~ '(user_id|email|name|phone|^ip|^address$|prompt)'`},
	{"I16", `select null::uuid, format('%s refers to %s', c.conrelid::regclass, c.confrelid::regclass) from pg_constraint c
		where c.contype = 'f'
			and c.conrelid = any (array['user_credit', 'credit_grant', 'credit_claw', 'credit_hold', 'credit_hold_allocation', 'ledger_txn', 'ledger_posting', 'signup_tombstone']::regclass[])
			and (c.confdeltype <> 'a' or c.confrelid <> all (array['user_credit', 'credit_grant', 'credit_hold', 'ledger_txn']::regclass[]))`},
}
