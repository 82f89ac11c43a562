package credits

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
)

// Locked is a user's balance, locked, and what was read after that: all that a hold depends on. It is
// there when the batch of [Ledger.Lock] was sent, and true until its transaction ends.
type Locked struct {
	balance  db.UserCredit // without a subject: the user never had any credits
	welcomed bool          // or it was asked just now
	grants   []db.CreditGrant
	earlier  *db.CreditHold // that the generation has already; nil: none
}

// Lock queues what locks a user's balance and reads what [Ledger.HoldLocked] needs, so that it goes out
// with what else the caller asks in its transaction. Each is a statement of its own: what comes after the
// lock sees what the transaction that had it before has written.
func (l *Ledger) Lock(batch *pgx.Batch, userID uuid.UUID) *Locked {
	u := &Locked{}

	batch.Queue(db.BalanceLockUser, userID).QueryRow(func(row pgx.Row) error {
		c := &u.balance

		err := row.Scan(&c.Subject, &c.Version, &c.Available, &c.Held, &c.Debt, &u.welcomed)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}

		return wrapLock(err, userID)
	})
	batch.Queue(db.GrantsLiveUser, userID).Query(func(rows pgx.Rows) (err error) {
		u.grants, err = pgx.CollectRows(rows, pgx.RowToStructByPos[db.CreditGrant])

		return wrapLock(err, userID)
	})

	return u
}

// lockUser is [Ledger.Lock] at once, and reads the hold that the generation may have.
func (l *Ledger) lockUser(ctx context.Context, tx pgx.Tx, h Hold) (*Locked, error) {
	batch := &pgx.Batch{}
	u := l.Lock(batch, h.UserID)

	batch.Queue(db.HoldFind, h.TaskID).Query(func(rows pgx.Rows) error {
		holds, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[db.CreditHold])
		if len(holds) > 0 {
			u.earlier = holds[0]
		}

		return err
	})

	return u, tx.SendBatch(ctx, batch).Close()
}

func wrapLock(err error, userID uuid.UUID) error {
	if err == nil {
		return nil
	}

	return fmt.Errorf("lock balance of user %s: %w", userID, err)
}

// ensureWelcome gives a user the welcome credits that they have coming, and makes of u what they have then.
func (l *Ledger) ensureWelcome(ctx context.Context, tx pgx.Tx, h Hold, u *Locked) error {
	if u.welcomed || l.Welcome == 0 {
		return nil
	}

	if _, err := l.GiveWelcome(ctx, tx, h.UserID); err != nil {
		return err
	}

	// Given or not: another process may have given them meanwhile.
	now, err := l.lockUser(ctx, tx, h)
	if err == nil {
		*u = *now
		u.welcomed = true
	}

	return err
}

// applyHold makes of u what a hold has made of it.
func (u *Locked) applyHold(lt *ledgerTx) {
	u.balance.Version, u.earlier = lt.version, nil
	u.balance.Available, u.balance.Held, u.balance.Debt = lt.balance.Available, lt.balance.Held, lt.balance.Debt

	u.grants = make([]db.CreditGrant, len(lt.grants))
	for i, g := range lt.grants {
		u.grants[i] = *g
	}
}
