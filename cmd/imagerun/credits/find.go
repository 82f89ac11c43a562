package credits

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/credits"
	"imagerun/internal/support"
)

// findUser finds the user whom a name means: one who has an account, with credits or without.
func (f *tool) findUser(ctx context.Context, pool *pgxpool.Pool, n support.Name) (userID uuid.UUID, err error) {
	owner, err := f.findOwner(ctx, pool, n)
	if err != nil {
		return userID, err
	}

	err = pool.QueryRow(ctx, `select "id" from auth."user" where "id" = $1
		union select user_id from billing_subject where user_id = $1 or subject = $1`, owner).Scan(&userID)

	switch {
	case !errors.Is(err, pgx.ErrNoRows):
		return userID, wrapFind(err, n)
	case owner != n.ID():
		return userID, fmt.Errorf("the account of %s is erased", n.Text)
	default:
		return userID, fmt.Errorf("there is no user %s; a generation of theirs would do as well: see --help", n.Text)
	}
}

// findOwner finds whose something is: a generation by the ledger, where it is gone itself. A name of nothing is that of a
// subject, if of any.
func (f *tool) findOwner(ctx context.Context, pool *pgxpool.Pool, n support.Name) (uuid.UUID, error) {
	found, err := support.Find(ctx, pool, n)
	if err != nil {
		return uuid.Nil, err
	}

	if len(found) > 0 {
		return found[0].UserID, nil
	}

	userID, err := f.ledger.Holder(ctx, pool, n.ID())

	switch {
	case !errors.Is(err, credits.ErrNoHold):
		return userID, wrapFind(err, n)
	case n.ID() == uuid.Nil || n.Kind() == support.Generation:
		return uuid.Nil, fmt.Errorf("there is no generation %s", n.Text)
	default:
		return n.ID(), nil
	}
}

// findTask finds which generation a name means. One whose row is gone may still be in the ledger.
func (f *tool) findTask(ctx context.Context, pool *pgxpool.Pool, n support.Name) (uuid.UUID, error) {
	found, err := support.Find(ctx, pool, n)
	if err != nil {
		return uuid.Nil, err
	}

	for _, s := range found {
		if s.Kind == support.Generation {
			return s.ID, nil
		}
	}

	if n.ID() == uuid.Nil {
		return uuid.Nil, fmt.Errorf("there is no generation of the support code %s", n.Text)
	}

	return n.ID(), nil
}

func wrapFind(err error, n support.Name) error {
	if err != nil {
		return fmt.Errorf("look for %s: %w", n.Text, err)
	}

	return nil
}
