package credits

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/credits/db"
	"imagerun/internal/redact"
)

// Source is where the credits of a grant come from.
type Source string

// The sources.
const (
	SourceSignup       Source = "signup"
	SourcePromotion    Source = "promotion"
	SourceSubscription Source = "subscription"
	SourcePack         Source = "pack"
	SourceOperator     Source = "operator"
	SourceCompensation Source = "compensation"
	SourceRefund       Source = "refund"
)

// spendingPriority says when credits of this source are spent: lower comes first.
func (s Source) spendingPriority() int16 {
	switch s {
	case SourceCompensation:
		return 0
	case SourceSignup, SourcePromotion:
		return 10
	case SourceSubscription:
		return 20
	default:
		return 30
	}
}

func (s Source) issuingAccount() string {
	if s == SourcePack || s == SourceSubscription {
		return issuedPaid
	}

	return issuedFree
}

// Grant is credits to give.
type Grant struct {
	Subject uuid.UUID
	Source  Source
	// Reference makes the grant happen once: creem:<transaction>, sub:<subscription>:<period start>,
	// promo:<campaign>:<subject>, adjust:<request>. Ids alone.
	Reference string
	Credits   int64
	ExpiresAt *time.Time // the moment itself is too late; before [clock.Latest]; nil: never
	Actor     string     // an operator's login; empty: the system
	Reason    Reason     // empty: not said
}

// Grant gives credits, and reports whether it did: a reference counts once. If it is known that the
// payment is taken back, that happens at once. Errors: [ErrMismatch],
// [ErrTooLate].
func (l *Ledger) Grant(ctx context.Context, tx pgx.Tx, g Grant) (bool, error) {
	lt, err := l.openSubject(ctx, tx, g.Subject)
	if err != nil {
		return false, err
	}

	return lt.giveGrant(ctx, g)
}

func (lt *ledgerTx) giveGrant(ctx context.Context, g Grant) (bool, error) {
	if g.Credits <= 0 || g.Reference == "" {
		return false, fmt.Errorf("grant %q of %d credits: %w", g.Reference, g.Credits, ErrExceeds)
	}

	if g.ExpiresAt != nil && !g.ExpiresAt.Before(clock.Latest()) {
		return false, fmt.Errorf("grant %s: %w", g.Reference, ErrTooLate)
	}

	earlier, err := lt.db.GrantByReference(ctx, lt.tx, g.Reference)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return false, fmt.Errorf("look for grant %s: %w", g.Reference, err)
	case earlier.Subject != lt.subject || earlier.Amount != g.Credits || earlier.Source != string(g.Source):
		return false, fmt.Errorf("grant %s: %w", g.Reference, ErrMismatch)
	default:
		return false, nil
	}

	row, err := lt.insertGrant(ctx, db.CreditGrant{
		Source: string(g.Source), Reference: g.Reference, Priority: g.Source.spendingPriority(), Amount: g.Credits, ExpiresAt: g.ExpiresAt,
	})
	if err != nil {
		return false, err
	}

	e := entry{kind: KindGrant, source: string(g.Source), key: "grant:" + g.Reference, actor: g.Actor, reason: g.Reason}
	lt.post(e, posting{g.Source.issuingAccount(), row, -g.Credits}, posting{available, row, g.Credits})

	clawedBack, err := lt.db.ClawFind(ctx, lt.tx, g.Reference)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("look for refunds of %s: %w", g.Reference, err)
	}

	row.Clawed = min(clawedBack, row.Amount)

	return true, lt.close(ctx, e)
}

// Signup gives welcome credits, and reports whether it did: a verified mailbox has them once, for
// ever, whatever becomes of the account. It is kept only as a mark that cannot be traced to it without
// the key. Case does not make another one. Earlier is what else it may have been marked as before.
func (l *Ledger) Signup(ctx context.Context, tx pgx.Tx, subject uuid.UUID, mailbox redact.Personal, credits int64, until *time.Time,
	earlier ...redact.Personal,
) (bool, error) {
	marks := l.markAddress(mailbox)
	if len(marks) == 0 {
		return false, errors.New("welcome credits: there is no key to mark addresses with")
	}

	lt, err := l.openSubject(ctx, tx, subject)
	if err != nil {
		return false, err
	}

	reference := "signup:" + subject.String()
	if had, err := lt.isBooked(ctx, "grant:"+reference); err != nil || had {
		return false, err // another address of the same account
	}

	mark := marks[0] // one for all spellings, so that of two at once one has them
	for _, e := range earlier {
		marks = append(marks, l.markAddress(e)...)
	}

	n, err := l.db.SignupOnce(ctx, tx, db.SignupOnceParams{AddressMac: mark, Earlier: marks})
	if err != nil {
		return false, fmt.Errorf("mark mailbox of %s: %w", subject, err)
	}

	if n == 0 {
		return false, nil
	}

	return lt.giveGrant(ctx, Grant{Subject: subject, Source: SourceSignup, Reference: reference, Credits: credits, ExpiresAt: until})
}

func (l *Ledger) markAddress(address redact.Personal) [][]byte {
	var list [][]byte

	for _, key := range l.SignupKeys {
		mac := hmac.New(sha256.New, []byte(key.Reveal()))
		mac.Write([]byte("signup\x00" + strings.ToLower(strings.TrimSpace(address.Reveal()))))
		list = append(list, mac.Sum(nil))
	}

	return list
}
