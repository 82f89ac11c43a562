package credits

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/credits/db"
)

// user is a user's balance, locked, and what was read after that.
type user struct {
	db.BalanceLockUserRow

	grants []db.CreditGrant
	hold   *db.CreditHold // of one generation; nil: it has none
}

// openUser locks a user's balance and opens the book; with it comes the hold that a generation has
// already, if it has one. Whoever has welcome credits coming has them then. The error [pgx.ErrNoRows] says
// that the user never had any credits.
func (l *Ledger) openUser(ctx context.Context, tx pgx.Tx, userID, taskID uuid.UUID) (*book, *db.CreditHold, error) {
	u, err := l.lockUser(ctx, tx, userID, taskID)

	if !u.Welcomed && l.Welcome > 0 && (err == nil || errors.Is(err, pgx.ErrNoRows)) {
		if _, err := l.GiveWelcome(ctx, tx, userID); err != nil {
			return nil, nil, err
		}

		// Given or not: somebody else may have given them meanwhile.
		u, err = l.lockUser(ctx, tx, userID, taskID)
	}

	if err != nil {
		return nil, nil, err
	}

	return l.begin(tx, u.UserCredit, u.grants), u.hold, nil
}

// lockUser locks a user's balance and reads the rest, in one round trip. Each is a statement of its own:
// what comes after the lock sees what whoever had it before has written.
func (l *Ledger) lockUser(ctx context.Context, tx pgx.Tx, userID, taskID uuid.UUID) (u user, err error) {
	batch := &pgx.Batch{}

	batch.Queue(db.BalanceLockUser, userID).QueryRow(func(row pgx.Row) error {
		c := &u.UserCredit

		return row.Scan(&c.Subject, &c.Version, &c.Available, &c.Held, &c.Debt, &u.Welcomed)
	})
	batch.Queue(db.GrantsLiveUser, userID).Query(func(rows pgx.Rows) (err error) {
		u.grants, err = pgx.CollectRows(rows, pgx.RowToStructByPos[db.CreditGrant])

		return err
	})
	batch.Queue(db.HoldFind, taskID).Query(func(rows pgx.Rows) error {
		holds, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByPos[db.CreditHold])
		if len(holds) > 0 {
			u.hold = holds[0]
		}

		return err
	})

	err = tx.SendBatch(ctx, batch).Close()

	return u, err
}
