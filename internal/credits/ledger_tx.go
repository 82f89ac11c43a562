package credits

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
	"imagerun/internal/postgres"
)

// The accounts. The first three are the subject's own: debt is negative there. The others are ours.
const (
	available  = "available"
	held       = "held"
	debt       = "debt"
	issuedPaid = "issued_paid"
	issuedFree = "issued_free"
	revenue    = "revenue"
	expired    = "expired"
	takenBack  = "taken_back"
)

// ledgerTx is one verb at work on one locked ledger: what it reads, and what it will write at its end.
type ledgerTx struct {
	*Ledger

	tx      pgx.Tx
	now     time.Time
	subject uuid.UUID
	version int64
	balance Balance
	grants  []*db.CreditGrant // in the order in which they are spent; live ones, and what a verb added
	touched []*db.CreditGrant
	params  db.BookParams
}

// entry is one step. The zero TaskID, Image -1 and empty words mean none.
type entry struct {
	kind   Kind
	source string
	key    string
	taskID uuid.UUID
	image  int
	actor  string
	reason Reason
}

// posting is one line of an entry, to be written.
type posting struct {
	account string
	grant   *db.CreditGrant
	amount  int64
}

// openLocked continues with a balance that is locked: it reads the grants, and begins.
func (l *Ledger) openLocked(ctx context.Context, tx pgx.Tx, c db.UserCredit) (*ledgerTx, error) {
	grants, err := l.db.GrantsLive(ctx, tx, c.Subject)
	if err != nil {
		return nil, fmt.Errorf("read grants of %s: %w", c.Subject, err)
	}

	return l.beginLocked(tx, c, grants), nil
}

// beginLocked begins on a balance that is locked, with the grants that were read since: it posts
// what is due to expire.
func (l *Ledger) beginLocked(tx pgx.Tx, c db.UserCredit, grants []db.CreditGrant) *ledgerTx {
	lt := &ledgerTx{
		Ledger: l, tx: tx, now: l.Now(), subject: c.Subject, version: c.Version,
		balance: Balance{Available: c.Available, Held: c.Held, Debt: c.Debt},
	}

	for i := range grants {
		lt.grants = append(lt.grants, &grants[i])
	}

	for _, g := range lt.grants {
		if g.Remaining > 0 && lt.isExpired(g) {
			lt.post(entry{kind: KindExpire, source: g.Source, key: "expire:" + g.ID.String()},
				posting{available, g, -g.Remaining}, posting{expired, g, g.Remaining})
		}
	}

	return lt
}

// openSubject locks a subject's balance and begins on it.
func (l *Ledger) openSubject(ctx context.Context, tx pgx.Tx, subject uuid.UUID) (*ledgerTx, error) {
	c, err := l.db.BalanceLock(ctx, tx, subject)
	if err != nil {
		return nil, fmt.Errorf("lock balance of %s: %w", subject, err)
	}

	return l.openLocked(ctx, tx, c)
}

// openTask does the same for the subject that a hold belongs to.
func (l *Ledger) openTask(ctx context.Context, tx pgx.Tx, taskID uuid.UUID) (*ledgerTx, *hold, error) {
	c, err := l.db.BalanceLockTask(ctx, tx, taskID)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil, fmt.Errorf("generation %s: %w", taskID, ErrNoHold)
	case err != nil:
		return nil, nil, fmt.Errorf("lock balance for %s: %w", taskID, err)
	}

	lt, err := l.openLocked(ctx, tx, c)
	if err != nil {
		return nil, nil, err
	}

	row, err := l.db.HoldFind(ctx, tx, taskID)
	if err != nil {
		return nil, nil, fmt.Errorf("read hold of %s: %w", taskID, err)
	}

	allocations, err := l.db.Allocations(ctx, tx, taskID)
	if err != nil {
		return nil, nil, fmt.Errorf("read allocations of %s: %w", taskID, err)
	}

	return lt, &hold{CreditHold: row, allocations: allocations}, nil
}

func (lt *ledgerTx) isBooked(ctx context.Context, key string) (bool, error) {
	done, err := lt.db.Booked(ctx, lt.tx, key)
	if err != nil {
		return false, fmt.Errorf("look for entry %s: %w", key, err)
	}

	return done, nil
}

func (lt *ledgerTx) isExpired(g *db.CreditGrant) bool {
	return g.ExpiresAt != nil && !lt.now.Before(*g.ExpiresAt)
}

func (lt *ledgerTx) findGrant(id uuid.UUID) *db.CreditGrant {
	if i := slices.IndexFunc(lt.grants, func(g *db.CreditGrant) bool { return g.ID == id }); i >= 0 {
		return lt.grants[i]
	}

	return nil
}

// post writes an entry down. Its postings alone change the balance and the parts of grants, which are
// therefore always what the postings come to.
func (lt *ledgerTx) post(e entry, postings ...posting) {
	lt.version++
	p := &lt.params

	for _, l := range postings {
		if l.amount == 0 {
			continue
		}

		id := uuid.Nil
		if l.grant != nil {
			id = l.grant.ID
			lt.markTouched(l.grant)
		}

		lt.apply(l)

		p.PostingSequences = append(p.PostingSequences, lt.version)
		p.Accounts = append(p.Accounts, l.account)
		p.PostingGrants = append(p.PostingGrants, id)
		p.Amounts = append(p.Amounts, l.amount)
	}

	if e.actor == "" {
		e.actor = system
	}

	if e.kind != KindCapture {
		e.image = -1
	}

	p.Sequences = append(p.Sequences, lt.version)
	p.Kinds = append(p.Kinds, string(e.kind))
	p.Sources = append(p.Sources, e.source)
	p.BusinessKeys = append(p.BusinessKeys, e.key)
	p.TaskIds = append(p.TaskIds, e.taskID)
	p.ImageIndexes = append(p.ImageIndexes, int16(e.image))
	p.Actors = append(p.Actors, e.actor)
	p.Reasons = append(p.Reasons, string(e.reason))
	p.Availables = append(p.Availables, lt.balance.Available)
	p.Helds = append(p.Helds, lt.balance.Held)
	p.Debts = append(p.Debts, lt.balance.Debt)
}

// apply applies a posting to the balance and to the grant's part that its account stands for.
func (lt *ledgerTx) apply(l posting) {
	var part int64 // of no grant

	g := l.grant
	if g == nil {
		g = &db.CreditGrant{}
	}

	to := &part

	switch l.account {
	case available:
		lt.balance.Available += l.amount
		to = &g.Remaining
	case held:
		lt.balance.Held += l.amount
		to = &g.Held
	case debt:
		lt.balance.Debt -= l.amount
		to = &g.Captured
	case revenue:
		to = &g.Captured
	case expired:
		to = &g.Expired
	case takenBack:
		to = &g.Voided
	}

	*to += l.amount
}

func (lt *ledgerTx) markTouched(g *db.CreditGrant) {
	if !slices.Contains(lt.touched, g) {
		lt.touched = append(lt.touched, g)
	}
}

// close posts what follows from the verb, and writes everything. cause is the verb's own entry.
func (lt *ledgerTx) close(ctx context.Context, cause entry) error {
	lt.reclaimGrants(cause)

	if err := lt.compensateExpired(ctx, cause); err != nil {
		return err
	}

	lt.repayDebt(cause)

	if len(lt.params.Sequences) == 0 {
		return nil
	}

	p := &lt.params
	p.Subject, p.CreatedAt, p.Version = lt.subject, lt.now, lt.version
	p.Available, p.Held, p.Debt = lt.balance.Available, lt.balance.Held, lt.balance.Debt

	for _, g := range lt.touched {
		p.Grants = append(p.Grants, g.ID)
		p.Remaining = append(p.Remaining, g.Remaining)
		p.GrantHelds = append(p.GrantHelds, g.Held)
		p.Captured = append(p.Captured, g.Captured)
		p.Expired = append(p.Expired, g.Expired)
		p.Voided = append(p.Voided, g.Voided)
		p.Compensated = append(p.Compensated, g.Compensated)
		p.Clawed = append(p.Clawed, g.Clawed)
		p.Charged = append(p.Charged, g.Charged)
	}

	if err := lt.db.Book(ctx, postgres.Later(lt.tx), *p); err != nil {
		return fmt.Errorf("book %s: %w", cause.key, err)
	}

	lt.countBooked()

	return nil
}

// insertGrant adds a grant's row; its credits come with the entry that cause.
func (lt *ledgerTx) insertGrant(ctx context.Context, row db.CreditGrant) (*db.CreditGrant, error) {
	g := &row
	g.ID, g.Subject, g.CreatedAt = uuid.New(), lt.subject, lt.now

	err := lt.db.GrantInsert(ctx, lt.tx, db.GrantInsertParams{
		ID: g.ID, Subject: g.Subject, Source: g.Source, Reference: g.Reference, Priority: g.Priority,
		Amount: g.Amount, CreatedAt: g.CreatedAt, ExpiresAt: g.ExpiresAt, OriginExpiresAt: g.OriginExpiresAt,
	})
	if err != nil {
		return nil, fmt.Errorf("insert grant %s: %w", g.Reference, err)
	}

	lt.grants = append(lt.grants, g)
	slices.SortStableFunc(lt.grants, spentBefore)

	return g, nil
}

// spentBefore orders grants as they are spent.
func spentBefore(a, b *db.CreditGrant) int {
	never := func(g *db.CreditGrant) int {
		if g.ExpiresAt == nil {
			return 1
		}

		return 0
	}

	c := cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(never(a), never(b)))
	if c == 0 && a.ExpiresAt != nil {
		c = a.ExpiresAt.Compare(*b.ExpiresAt)
	}

	return cmp.Or(c, a.CreatedAt.Compare(b.CreatedAt), bytes.Compare(a.ID[:], b.ID[:]))
}
