package credits

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
	"imagerun/internal/redact"
)

// GiveWelcome gives a user the welcome credits, if there are any to give, their address is verified
// and no address of its mailbox ever had them, and reports whether it did. It may be asked any number of times; [Ledger.Hold]
// asks too, so no user is refused for want of credits that were theirs.
func (l *Ledger) GiveWelcome(ctx context.Context, tx pgx.Tx, userID uuid.UUID) (bool, error) {
	if l.Welcome == 0 {
		return false, nil
	}

	digests, err := l.db.WelcomeDue(ctx, tx, userID)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && len(digests.Mailbox) == 0 {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("look for welcome credits of user %s: %w", userID, err)
	}

	subject, err := l.Subject(ctx, tx, userID)
	if err != nil {
		return false, err
	}

	now := l.Now()

	var until *time.Time
	if l.WelcomeLife > 0 {
		until = new(now.Add(l.WelcomeLife))
	}

	mailbox, address := redact.NewPersonal(hex.EncodeToString(digests.Mailbox)), redact.NewPersonal(hex.EncodeToString(digests.Address))

	given, err := l.Signup(ctx, tx, subject, mailbox, l.Welcome, until, address)
	if err != nil {
		return false, err
	}

	if err := l.db.WelcomeSettle(ctx, tx, db.WelcomeSettleParams{UserID: userID, At: &now}); err != nil {
		return false, fmt.Errorf("settle welcome credits of user %s: %w", userID, err)
	}

	return given, nil
}
