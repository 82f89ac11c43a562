package withdrawal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"imagerun/internal/payments/db"
	"imagerun/internal/postgres"
)

const (
	// verifiedAtOnce is how many withdrawals are read at a time.
	verifiedAtOnce = 1000
	// keptFor is how long withdrawals are kept at least.
	keptFor = 7 * 365 * 24 * time.Hour
)

// Breach is a withdrawal that is not as it was declared.
type Breach struct {
	Number int64 // of the withdrawal; zero: it is not there
	What   string
}

// String is a line for operators.
func (b Breach) String() string { return fmt.Sprintf("withdrawal %d: %s", b.Number, b.What) }

// Verify walks the chain, and returns what breaks it. It begins with the oldest that is kept. Who removes the newest is found by the
// money that goes back for them.
func (s *Service) Verify(ctx context.Context) (broken []Breach, err error) {
	var last *db.PaymentWithdrawal

	for number := int64(0); ; number = last.Number {
		page, err := s.db.WithdrawalsAfter(ctx, s.Pool, db.WithdrawalsAfterParams{Number: number, Most: verifiedAtOnce})
		if err != nil {
			return nil, fmt.Errorf("read withdrawals: %w", err)
		}

		for _, row := range page {
			if what := judgeLink(last, row.PaymentWithdrawal); what != "" {
				broken = append(broken, Breach{row.PaymentWithdrawal.Number, what})
			}

			last = &row.PaymentWithdrawal
		}

		if len(page) < verifiedAtOnce {
			break
		}
	}

	missing, err := s.db.WithdrawalsMissing(ctx, s.Pool, db.WithdrawalsMissingParams{Since: s.now().Add(-keptFor), Most: verifiedAtOnce})
	if err != nil {
		return nil, fmt.Errorf("look for missing withdrawals: %w", err)
	}

	for _, refund := range missing {
		broken = append(broken, Breach{What: "refund " + refund.String() + " is for one that is not there"})
	}

	return broken, nil
}

// judgeLink says what is wrong with a withdrawal, which follows another; nil: it is the oldest.
func judgeLink(last *db.PaymentWithdrawal, w db.PaymentWithdrawal) string {
	var wrong []string

	switch {
	case last != nil && w.Number != last.Number+1:
		wrong = append(wrong, "those before it are missing")
	case last != nil && !bytes.Equal(w.PreviousHash, last.Hash):
		wrong = append(wrong, "it does not follow the one before")
	case last == nil && w.Number == 1 && !bytes.Equal(w.PreviousHash, make([]byte, sha256.Size)):
		wrong = append(wrong, "it is not the first")
	}

	if !bytes.Equal(w.Hash, computeHash(w)) {
		wrong = append(wrong, "it was changed")
	}

	return strings.Join(wrong, "; ")
}

// appendToChain gives a withdrawal its number, its words and its hash, and writes it.
func (s *Service) appendToChain(ctx context.Context, tx pgx.Tx, w *db.PaymentWithdrawal, describe func(number int64) string) error {
	if err := s.db.WithdrawalLock(ctx, tx); err != nil {
		return fmt.Errorf("take turn in the chain: %w", err)
	}

	last, err := s.db.WithdrawalLast(ctx, tx)

	switch {
	case postgres.IsNotFound(err):
		last.Hash = make([]byte, sha256.Size)
	case err != nil:
		return fmt.Errorf("read last withdrawal: %w", err)
	}

	w.Number, w.PreviousHash = last.Number+1, last.Hash
	w.Content = describe(w.Number)
	w.Hash = computeHash(*w)

	err = s.db.WithdrawalInsert(ctx, tx, db.WithdrawalInsertParams{
		ID: w.ID, Number: w.Number, OrderID: w.OrderID, Subject: w.Subject, RefundID: w.RefundID, Amount: w.Amount, Credits: w.Credits,
		Content: w.Content, DeclaredAt: w.DeclaredAt, PreviousHash: w.PreviousHash, Hash: w.Hash,
	})
	if err != nil {
		return fmt.Errorf("insert withdrawal: %w", err)
	}

	return nil
}

// computeHash is the SHA-256 over the hash of the one before, and each field as its length, a colon and its text.
func computeHash(w db.PaymentWithdrawal) []byte {
	h := sha256.New()
	h.Write(w.PreviousHash)

	for _, field := range []string{
		strconv.FormatInt(w.Number, 10), w.ID.String(), w.OrderID.String(), w.Subject.String(), w.RefundID.String(),
		strconv.FormatInt(w.Amount, 10), strconv.FormatInt(w.Credits, 10), w.DeclaredAt.UTC().Format(time.RFC3339Nano), w.Content,
	} {
		fmt.Fprintf(h, "%d:%s", len(field), field)
	}

	return h.Sum(nil)
}

// describeWithdrawal says in words what was declared and is acknowledged. It names no person.
func describeWithdrawal(number int64, w db.PaymentWithdrawal, order db.WithdrawalOrderRow, o Offer) string {
	var text strings.Builder

	fmt.Fprintf(&text, "Withdrawal %d, declared on %s, from the contract of order %s (%s), paid on %s with %s.\n", number, formatTime(w.DeclaredAt),
		w.OrderID, o.Product.Name, formatTime(order.PaidAt), formatMoney(o.Paid, o.Currency))

	if o.Waived {
		text.WriteString("It was agreed that the credits come at once, and that used ones are not returned.\n")
	}

	fmt.Fprintf(&text, "Of %d credits %d were used. Returned: %s. Credits taken back: %d.\n", o.Given, o.Used, formatMoney(o.Money, o.Currency), o.Credits)

	if o.EndsPlan {
		text.WriteString("The plan is not paid again.\n")
	}

	return text.String()
}

func formatTime(t time.Time) string { return t.UTC().Format("2 January 2006, 15:04:05 UTC") }

// formatMoney writes an amount of a currency whose minor unit is a hundredth, as those of the vendor are.
func formatMoney(amount int64, currency string) string {
	return fmt.Sprintf("%d.%02d %s", amount/100, amount%100, currency)
}
