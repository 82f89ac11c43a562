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

// book is one verb at work on one locked ledger: what it reads, and what it will write at its end.
type book struct {
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

// leg is one posting to be.
type leg struct {
	account string
	grant   *db.CreditGrant
	amount  int64
}

// open continues with a balance that is locked: it reads the grants, and begins.
func (l *Ledger) open(ctx context.Context, tx pgx.Tx, c db.UserCredit) (*book, error) {
	grants, err := l.db.GrantsLive(ctx, tx, c.Subject)
	if err != nil {
		return nil, fmt.Errorf("read grants of %s: %w", c.Subject, err)
	}

	return l.begin(tx, c, grants), nil
}

// begin opens the book of a balance that is locked, with the grants that were read since: it books
// what is due to expire.
func (l *Ledger) begin(tx pgx.Tx, c db.UserCredit, grants []db.CreditGrant) *book {
	b := &book{
		Ledger: l, tx: tx, now: l.Now(), subject: c.Subject, version: c.Version,
		balance: Balance{Available: c.Available, Held: c.Held, Debt: c.Debt},
	}

	for i := range grants {
		b.grants = append(b.grants, &grants[i])
	}

	for _, g := range b.grants {
		if g.Remaining > 0 && b.isExpired(g) {
			b.add(entry{kind: KindExpire, source: g.Source, key: "expire:" + g.ID.String()},
				leg{available, g, -g.Remaining}, leg{expired, g, g.Remaining})
		}
	}

	return b
}

// openSubject locks a subject's balance and opens the book.
func (l *Ledger) openSubject(ctx context.Context, tx pgx.Tx, subject uuid.UUID) (*book, error) {
	c, err := l.db.BalanceLock(ctx, tx, subject)
	if err != nil {
		return nil, fmt.Errorf("lock balance of %s: %w", subject, err)
	}

	return l.open(ctx, tx, c)
}

// openTask does the same for whom a hold belongs to.
func (l *Ledger) openTask(ctx context.Context, tx pgx.Tx, taskID uuid.UUID) (*book, *hold, error) {
	c, err := l.db.BalanceLockTask(ctx, tx, taskID)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, nil, fmt.Errorf("generation %s: %w", taskID, ErrNoHold)
	case err != nil:
		return nil, nil, fmt.Errorf("lock balance for %s: %w", taskID, err)
	}

	b, err := l.open(ctx, tx, c)
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

	return b, &hold{CreditHold: row, allocations: allocations}, nil
}

func (b *book) isBooked(ctx context.Context, key string) (bool, error) {
	done, err := b.db.Booked(ctx, b.tx, key)
	if err != nil {
		return false, fmt.Errorf("look for entry %s: %w", key, err)
	}

	return done, nil
}

func (b *book) isExpired(g *db.CreditGrant) bool {
	return g.ExpiresAt != nil && !b.now.Before(*g.ExpiresAt)
}

func (b *book) grant(id uuid.UUID) *db.CreditGrant {
	if i := slices.IndexFunc(b.grants, func(g *db.CreditGrant) bool { return g.ID == id }); i >= 0 {
		return b.grants[i]
	}

	return nil
}

// add writes an entry down. Its legs alone change the balance and the parts of grants, which are
// therefore always what the postings come to.
func (b *book) add(e entry, legs ...leg) {
	b.version++
	p := &b.params

	for _, l := range legs {
		if l.amount == 0 {
			continue
		}

		id := uuid.Nil
		if l.grant != nil {
			id = l.grant.ID
			b.touch(l.grant)
		}

		b.move(l)

		p.PostingSequences = append(p.PostingSequences, b.version)
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

	p.Sequences = append(p.Sequences, b.version)
	p.Kinds = append(p.Kinds, string(e.kind))
	p.Sources = append(p.Sources, e.source)
	p.BusinessKeys = append(p.BusinessKeys, e.key)
	p.TaskIds = append(p.TaskIds, e.taskID)
	p.ImageIndexes = append(p.ImageIndexes, int16(e.image))
	p.Actors = append(p.Actors, e.actor)
	p.Reasons = append(p.Reasons, string(e.reason))
	p.Availables = append(p.Availables, b.balance.Available)
	p.Helds = append(p.Helds, b.balance.Held)
	p.Debts = append(p.Debts, b.balance.Debt)
}

// move applies a leg to the balance and to the grant's part that its account stands for.
func (b *book) move(l leg) {
	var part int64 // of no grant

	g := l.grant
	if g == nil {
		g = &db.CreditGrant{}
	}

	to := &part

	switch l.account {
	case available:
		b.balance.Available += l.amount
		to = &g.Remaining
	case held:
		b.balance.Held += l.amount
		to = &g.Held
	case debt:
		b.balance.Debt -= l.amount
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

func (b *book) touch(g *db.CreditGrant) {
	if !slices.Contains(b.touched, g) {
		b.touched = append(b.touched, g)
	}
}

// close books what follows from the verb, and writes everything. follows is the verb's own entry.
func (b *book) close(ctx context.Context, follows entry) error {
	b.reclaim(follows)

	if err := b.compensate(ctx, follows); err != nil {
		return err
	}

	b.repay(follows)

	if len(b.params.Sequences) == 0 {
		return nil
	}

	p := &b.params
	p.Subject, p.CreatedAt, p.Version = b.subject, b.now, b.version
	p.Available, p.Held, p.Debt = b.balance.Available, b.balance.Held, b.balance.Debt

	for _, g := range b.touched {
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

	if err := b.db.Book(ctx, postgres.Later(b.tx), *p); err != nil {
		return fmt.Errorf("book %s: %w", follows.key, err)
	}

	b.count()

	return nil
}

// insert adds a grant's row; its credits come with the entry that follows.
func (b *book) insert(ctx context.Context, row db.CreditGrant) (*db.CreditGrant, error) {
	g := &row
	g.ID, g.Subject, g.CreatedAt = uuid.New(), b.subject, b.now

	err := b.db.GrantInsert(ctx, b.tx, db.GrantInsertParams{
		ID: g.ID, Subject: g.Subject, Source: g.Source, Reference: g.Reference, Priority: g.Priority,
		Amount: g.Amount, CreatedAt: g.CreatedAt, ExpiresAt: g.ExpiresAt, OriginExpiresAt: g.OriginExpiresAt,
	})
	if err != nil {
		return nil, fmt.Errorf("insert grant %s: %w", g.Reference, err)
	}

	b.grants = append(b.grants, g)
	slices.SortStableFunc(b.grants, spentBefore)

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
