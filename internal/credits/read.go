package credits

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
)

// Kind says what an entry is.
type Kind string

// The kinds. The last five follow from another entry, in the same transaction.
const (
	KindGrant        Kind = "grant"
	KindHold         Kind = "hold"
	KindCapture      Kind = "capture"
	KindRelease      Kind = "release"
	KindRefund       Kind = "refund"
	KindClawback     Kind = "claw"
	KindExpire       Kind = "expire"
	KindCompensation Kind = "compensation"
	KindVoid         Kind = "void"
	KindCharge       Kind = "charge"
	KindRepay        Kind = "repay"
)

// Reason is why an operator or a payment provider did something: one of a closed list, so that
// nothing about a person can be in it.
type Reason string

// The reasons.
const (
	ReasonQuality         Reason = "quality"
	ReasonNotDelivered    Reason = "not_delivered"
	ReasonMistake         Reason = "mistake"
	ReasonGoodwill        Reason = "goodwill"
	ReasonDispute         Reason = "dispute"
	ReasonPaymentRefunded Reason = "payment_refunded"
	ReasonOther           Reason = "other"
)

// OperatorReasons are those that a person may give; the others are a payment provider's.
func OperatorReasons() []Reason {
	return []Reason{ReasonQuality, ReasonNotDelivered, ReasonMistake, ReasonGoodwill, ReasonOther}
}

// Change is what an entry did to a balance, each part with its sign.
type Change Balance

// Entry is one line of a user's ledger.
type Entry struct {
	Sequence int64 // 1, 2, 3 … of this person's
	Kind     Kind
	Source   Source    // of the grant that it is about; empty: of several, or none
	TaskID   uuid.UUID // the generation; uuid.Nil: none
	Image    int       // index, of a capture
	Reason   Reason    // empty: not said
	Actor    string    // an operator's login, or "system"; not for the person
	Change   Change
	After    Balance
	At       time.Time

	anewUntil *time.Time // of a compensation: how long it lasts
	lapsed    bool       // of an expiry: nothing is given anew for it
}

// Credits is the one number to show: what was gained or lost, else what was set aside or returned.
func (e Entry) Credits() int64 {
	switch {
	case e.Kind == KindCapture:
		return e.Change.Held
	case e.Change.Available != 0:
		return e.Change.Available
	default:
		return -e.Change.Debt
	}
}

// Sentence says what happened, in words for the person whose credits they are.
func (e Entry) Sentence() string {
	switch {
	case e.Kind == KindGrant:
		return granted[e.Source]
	case e.Kind == KindCapture:
		return fmt.Sprintf("Paid for image %d of a generation.", e.Image+1)
	case e.Kind == KindCompensation && e.anewUntil != nil && e.anewUntil.Before(e.At.Add(compensationLife)):
		return "Given anew until " + e.anewUntil.UTC().Format("2 January 2006, 15:04 UTC") +
			", 7 days past their own expiry: they expired while a generation held them."
	case e.Kind == KindExpire && e.lapsed:
		return "Expired for good: 7 days have passed since their own expiry date."
	default:
		return sentences[e.Kind]
	}
}

var granted = map[Source]string{
	SourceSignup:       "Welcome credits.",
	SourcePromotion:    "Promotional credits.",
	SourceSubscription: "Credits of your plan.",
	SourcePack:         "Credits that you bought.",
	SourceOperator:     "Credits from our support.",
	SourceCompensation: "Credits as an apology.",
}

var sentences = map[Kind]string{
	KindHold:         "Set aside for a generation.",
	KindRelease:      "Returned: the generation did not use them.",
	KindRefund:       "Given back by our support for a generation.",
	KindClawback:     "A payment was refunded or disputed.",
	KindExpire:       "Reached their expiry date.",
	KindCompensation: "Given anew for 72 hours: they expired while a generation held them.",
	KindVoid:         "Taken back: their payment was refunded or disputed.",
	KindCharge:       "Owed: they were used, and their payment was refunded or disputed.",
	KindRepay:        "Used to pay what was owed.",
}

// Balance returns what a user has. Who never had credits has none.
func (l *Ledger) Balance(ctx context.Context, tx db.DBTX, userID uuid.UUID) (Balance, error) {
	row, err := l.db.BalanceRead(ctx, tx, db.BalanceReadParams{UserID: userID, Now: l.Now()})
	if errors.Is(err, pgx.ErrNoRows) {
		return Balance{}, nil
	} else if err != nil {
		return Balance{}, fmt.Errorf("read balance of user %s: %w", userID, err)
	}

	return Balance(row), nil
}

// Holding is a grant of which something is left.
type Holding struct {
	ID        uuid.UUID
	Source    Source
	Amount    int64
	Remaining int64
	Held      int64
	CreatedAt time.Time
	ExpiresAt *time.Time // nil: never
}

// Grants returns what is left of a user's grants, in the order in which it will be spent.
func (l *Ledger) Grants(ctx context.Context, tx db.DBTX, userID uuid.UUID) ([]Holding, error) {
	rows, err := l.db.GrantsRead(ctx, tx, db.GrantsReadParams{UserID: userID, Now: l.Now()})
	if err != nil {
		return nil, fmt.Errorf("read grants of user %s: %w", userID, err)
	}

	list := make([]Holding, 0, len(rows))
	for _, g := range rows {
		list = append(list, Holding{
			ID: g.ID, Source: Source(g.Source), Amount: g.Amount, Remaining: g.Remaining, Held: g.Held,
			CreatedAt: g.CreatedAt, ExpiresAt: g.ExpiresAt,
		})
	}

	return list, nil
}

// Entries returns a user's ledger, newest first: at most so many, from before a sequence. Zero: from
// the end.
func (l *Ledger) Entries(ctx context.Context, tx db.DBTX, userID uuid.UUID, before int64, most int) ([]Entry, error) {
	if before == 0 {
		before = math.MaxInt64
	}

	rows, err := l.db.EntriesRead(ctx, tx, db.EntriesReadParams{UserID: userID, Before: before, Most: int32(most)})
	if err != nil {
		return nil, fmt.Errorf("read entries of user %s: %w", userID, err)
	}

	list := make([]Entry, 0, len(rows))
	for _, r := range rows {
		list = append(list, readEntry(r))
	}

	return list, nil
}

// EntriesOf returns what was booked for a generation, oldest first.
func (l *Ledger) EntriesOf(ctx context.Context, tx db.DBTX, taskID uuid.UUID) ([]Entry, error) {
	rows, err := l.db.EntriesOfTask(ctx, tx, &taskID)
	if err != nil {
		return nil, fmt.Errorf("read entries of %s: %w", taskID, err)
	}

	list := make([]Entry, 0, len(rows))
	for _, r := range rows {
		list = append(list, readEntry(db.EntriesReadRow(r)))
	}

	return list, nil
}

// Booked returns the entry of a business key. Errors: [ErrNotBooked].
func (l *Ledger) Booked(ctx context.Context, tx db.DBTX, key string) (Entry, error) {
	row, err := l.db.EntryByKey(ctx, tx, key)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return Entry{}, fmt.Errorf("%s: %w", key, ErrNotBooked)
	case err != nil:
		return Entry{}, fmt.Errorf("read entry %s: %w", key, err)
	}

	return readEntry(db.EntriesReadRow(row)), nil
}

// Holder returns whose credits a generation used, or uses; uuid.Nil: their account is erased.
// Errors: [ErrNoHold].
func (l *Ledger) Holder(ctx context.Context, tx db.DBTX, taskID uuid.UUID) (uuid.UUID, error) {
	userID, err := l.db.Holder(ctx, tx, taskID)

	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return uuid.Nil, fmt.Errorf("generation %s: %w", taskID, ErrNoHold)
	case err != nil:
		return uuid.Nil, fmt.Errorf("read hold of %s: %w", taskID, err)
	case userID == nil:
		return uuid.Nil, nil
	default:
		return *userID, nil
	}
}

func readEntry(r db.EntriesReadRow) Entry {
	e := Entry{
		Sequence: r.Sequence, Kind: Kind(r.Kind), Actor: r.Actor, At: r.CreatedAt,
		Change: Change{Available: r.AvailableChange, Held: r.HeldChange, Debt: r.DebtChange},
		After:  Balance{Available: r.Available, Held: r.Held, Debt: r.Debt},

		anewUntil: r.AnewUntil, lapsed: strings.HasSuffix(r.BusinessKey, lapse),
	}

	if r.Source != nil {
		e.Source = Source(*r.Source)
	}

	if r.TaskID != nil {
		e.TaskID = *r.TaskID
	}

	if r.ImageIndex != nil {
		e.Image = int(*r.ImageIndex)
	}

	if r.Reason != nil {
		e.Reason = Reason(*r.Reason)
	}

	return e
}
