package credits

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/clock"
	"imagerun/internal/credits/db"
	"imagerun/internal/fault"
	"imagerun/internal/redact"
)

const (
	// compensationLife is how long credits last at most that are given anew because theirs expired while held.
	compensationLife = 72 * time.Hour
	// compensationReach is how long after their own expiry credits last at most, however often they are held
	// over it and given anew.
	compensationReach = 7 * 24 * time.Hour
)

// system is the actor of what no operator did.
const system = "system"

var (
	// ErrInsufficient says that there are too few credits; it comes inside a [*ShortfallError].
	ErrInsufficient = fault.New(fault.Payment, "insufficient_credits", "There are not enough credits for this. Ask for fewer or smaller images or another model, or get more credits; nothing was charged.")
	// ErrInDebt says that credits are owed from a payment that was refunded or disputed.
	ErrInDebt = fault.New(fault.Payment, "account_in_debt", "Credits are owed, because a payment was refunded or disputed after they were used. Buy credits to continue; nothing was charged.")

	// ErrNoHold says that nothing was ever set aside for the generation.
	ErrNoHold = errors.New("there is no hold")
	// ErrClosed says that the hold was closed before: nothing can be captured any more.
	ErrClosed = errors.New("the hold is closed")
	// ErrExceeds says that more is asked for than the hold, or what it captured, has.
	ErrExceeds = errors.New("more than there is")
	// ErrTooLate says that an expiry is later than can be kept and shown: give none instead.
	ErrTooLate = errors.New("an expiry must be before the year 9999")
	// ErrMismatch says that a key was used before, for something else.
	ErrMismatch = errors.New("the key was used for something else")
	// ErrNotBooked says that there is no entry of a business key.
	ErrNotBooked = errors.New("it was not booked")
)

// ShortfallError says how many credits are wanted and how many there are. It is an [ErrInsufficient].
type ShortfallError struct {
	Required  int64
	Available int64
}

// Error is for logs.
func (s *ShortfallError) Error() string {
	return fmt.Sprintf("%d credits required, %d available", s.Required, s.Available)
}

// Unwrap returns [ErrInsufficient].
func (s *ShortfallError) Unwrap() error { return ErrInsufficient }

// Balance is what a user has, in credits. Available is without Held; never both Available and Debt.
type Balance struct {
	Available int64
	Held      int64
	Debt      int64
}

// Options are the settings.
type Options struct {
	Now clock.Now
	// SignupKeys make the marks by which an address that had its welcome credits is known. The first
	// marks, all recognise. They are kept outside the database: with them, addresses can be guessed.
	SignupKeys []redact.Secret
	// Welcome is how many credits a verified address gets; zero: none.
	Welcome int64
	// WelcomeLife is how long they last; zero: for ever.
	WelcomeLife time.Duration
}

// Ledger is the verbs. Safe for concurrent use.
type Ledger struct {
	Options

	db      *db.Queries
	metrics metrics
}

// New returns a ledger. It dials nothing and starts nothing.
func New(o Options) *Ledger { return &Ledger{Options: o, db: db.New(), metrics: newMetrics()} }

// Subject returns the name under which the ledger knows a user, giving them one at first.
func (l *Ledger) Subject(ctx context.Context, tx pgx.Tx, userID uuid.UUID) (uuid.UUID, error) {
	subject, err := l.db.SubjectFind(ctx, tx, userID)
	if errors.Is(err, pgx.ErrNoRows) {
		if err = l.db.SubjectCreate(ctx, tx, db.SubjectCreateParams{Subject: uuid.New(), UserID: userID}); err == nil {
			subject, err = l.db.SubjectFind(ctx, tx, userID) // ours, or that of who was faster
		}
	}

	if err != nil {
		return uuid.Nil, fmt.Errorf("find billing subject of %s: %w", userID, err)
	}

	return subject, nil
}

// Forget removes what leads from a user to their ledger. What is held can still be captured and
// released, by the generation; nothing can be spent any more. Doing it again changes nothing.
func (l *Ledger) Forget(ctx context.Context, tx pgx.Tx, userID uuid.UUID) error {
	if _, err := l.db.SubjectForget(ctx, tx, userID); err != nil {
		return fmt.Errorf("forget billing subject of %s: %w", userID, err)
	}

	return nil
}
