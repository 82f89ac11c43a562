package credits

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/credits/db"
	"imagerun/internal/fault"
)

const (
	// invariants is how many there are.
	invariants = 18
	// maxFound is how many violations of one kind are told: where there are more, the first will do.
	maxFound = 20
	// spanSize is how many entries are audited together: enough that asking costs little, and few enough
	// that each query ends soon. The entries of one subject are not taken apart.
	spanSize = 20000
)

// Violation is an invariant that does not hold.
type Violation struct {
	Invariant string    // I1 to I18, as the package says them
	Subject   uuid.UUID // whose ledger; uuid.Nil: that of all
	What      string    // ids and numbers alone
}

// String is for people.
func (v Violation) String() string {
	return v.Invariant + ": " + v.What + " (subject " + v.Subject.String() + ")"
}

// Checked is a range of subjects that was audited.
type Checked struct {
	Entries int64 // audited so far
	Of      int64 // entries that there were when the audit began
	Found   int   // violations in this range
	Took    time.Duration
}

// Invariants returns their names, in their order.
func Invariants() []string {
	list := make([]string, invariants)
	for i := range list {
		list[i] = fmt.Sprintf("I%d", i+1)
	}

	return list
}

// snapshots is what [Audit] needs of a pool.
type snapshots interface {
	BeginTx(ctx context.Context, o pgx.TxOptions) (pgx.Tx, error)
}

// Audit looks for whatever breaks an invariant: in one subject's ledger, or with uuid.Nil in
// those of all. It locks nothing.
func Audit(ctx context.Context, pool snapshots, subject uuid.UUID) ([]Violation, error) {
	if subject == uuid.Nil {
		return AuditAll(ctx, pool, clock.System, func(Checked) {})
	}

	a := newAudit(pool, ".subject = $1", "auto")

	err := a.runChecks(ctx, schemaChecks)
	if err == nil {
		err = a.runChecks(ctx, checks, subject)
	}

	if err == nil {
		err = a.replayEntries(ctx, subject, subject)
	}

	return a.sortViolations(), fault.Wrap(err, "audit credits")
}

// AuditAll is [Audit] of all ledgers, one range of subjects after the other, and tells of each.
// No snapshot lasts longer than a query, so vacuum does not wait for the audit: one query judges an
// invariant, and what several read of the entries is never changed.
func AuditAll(ctx context.Context, pool snapshots, now clock.Now, tell func(Checked)) ([]Violation, error) {
	a := newAudit(pool, ".subject between $1 and $2", "force_custom_plan") // a plan for any range would be good for none
	err := a.auditRanges(ctx, now, tell)

	return a.sortViolations(), fault.Wrap(err, "audit credits")
}

// RecordAudit notes what an audit of all ledgers found, for the metrics and as evidence.
func RecordAudit(ctx context.Context, tx db.DBTX, at time.Time, list []Violation) error {
	err := db.New().AuditRecord(ctx, tx, db.AuditRecordParams{At: at, Breaches: int32(len(list))}) //nolint:gosec // hundreds at most

	return fault.Wrap(err, "record audit of credits")
}

// audit is one at work.
type audit struct {
	pool  snapshots
	db    *db.Queries
	scope string // what limits rows to those that are audited; see check
	plans string // Postgres' plan_cache_mode
	list  []Violation
	times map[string]int // how often what was found; see reportViolation
}

func newAudit(pool snapshots, scope, plans string) *audit {
	return &audit{pool: pool, db: db.New(), scope: scope, plans: plans, times: map[string]int{}}
}

// auditRanges audits range after range. They leave no gap: what belongs to no balance is in one, too.
func (a *audit) auditRanges(ctx context.Context, now clock.Now, tell func(Checked)) error {
	if err := a.runChecks(ctx, schemaChecks); err != nil {
		return err
	}

	var (
		done Checked
		told int // violations
		span db.AuditSpanRow
	)

	err := a.inSnapshot(ctx, func(tx pgx.Tx) (err error) {
		done.Of, err = a.db.AuditEntries(ctx, tx)

		return err
	})

	for first := uuid.Nil; err == nil && span.Last != uuid.Max; first = nextID(span.Last) {
		begun := now()

		err = a.inSnapshot(ctx, func(tx pgx.Tx) (err error) {
			span, err = a.db.AuditSpan(ctx, tx, db.AuditSpanParams{First: first, Size: spanSize})

			return err
		})

		for i := 0; err == nil && i < len(checks); i++ {
			err = a.runChecks(ctx, checks[i:i+1], first, span.Last)
		}

		if err == nil {
			err = a.replayEntries(ctx, first, span.Last)
		}

		if err == nil {
			done.Entries += span.Entries
			done.Found, done.Took = len(a.list)-told, now().Sub(begun)
			told = len(a.list)
			tell(done)
		}
	}

	return err
}

// nextID returns the id after one that is not the last.
func nextID(id uuid.UUID) uuid.UUID {
	for i := len(id) - 1; i >= 0; i-- {
		if id[i]++; id[i] != 0 {
			break
		}
	}

	return id
}

// inSnapshot runs f in a transaction that can change nothing. Each statement of it sees a state of its own.
func (a *audit) inSnapshot(ctx context.Context, f func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, a.pool, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `select set_config('statement_timeout', '0', true), set_config('plan_cache_mode', $1, true)`, a.plans)
		if err != nil {
			return err
		}

		return f(tx)
	})
}

// runChecks asks for what breaks invariants.
func (a *audit) runChecks(ctx context.Context, list []check, args ...any) error {
	return a.inSnapshot(ctx, func(tx pgx.Tx) error {
		var batch pgx.Batch

		for _, c := range list {
			batch.Queue(c.buildQuery(a.scope), args...).Query(func(rows pgx.Rows) error { return a.takeViolations(c, rows) })
		}

		return tx.SendBatch(ctx, &batch).Close()
	})
}

func (a *audit) takeViolations(c check, rows pgx.Rows) error {
	var (
		whose *uuid.UUID
		what  string
	)

	_, err := pgx.ForEachRow(rows, []any{&whose, &what}, func() error {
		v := Violation{Invariant: c.invariant, What: what}
		if whose != nil {
			v.Subject = *whose
		}

		a.reportViolation(c.query, v)

		return nil
	})

	return fault.Wrap(err, c.invariant)
}

// reportViolation notes a violation, unless there were many of its kind.
func (a *audit) reportViolation(kind string, v Violation) {
	if a.times[kind]++; a.times[kind] <= maxFound {
		a.list = append(a.list, v)
	}
}

// sortViolations returns what was found, in the order of the invariants.
func (a *audit) sortViolations() []Violation {
	slices.SortStableFunc(a.list, func(v, w Violation) int {
		return cmp.Or(cmp.Compare(len(v.Invariant), len(w.Invariant)), cmp.Compare(v.Invariant, w.Invariant))
	})

	return a.list
}
