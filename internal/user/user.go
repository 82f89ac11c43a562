package user

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/clock"
	"imagerun/internal/plan"
	"imagerun/internal/user/db"
)

// User is who a person is to us.
type User struct {
	Ref  string // 32 hexadecimal digits
	Plan plan.Plan
}

// Directory finds users. Safe for concurrent use.
type Directory struct {
	db    *db.Queries
	pool  *pgxpool.Pool
	plans *plan.Plans
	now   clock.Now
	known *lru.Cache[uuid.UUID, knownPlan]
}

// New returns a directory. It dials nothing and starts nothing.
func New(pool *pgxpool.Pool, plans *plan.Plans, now clock.Now) *Directory {
	known, err := lru.New[uuid.UUID, knownPlan](plansKept)
	if err != nil {
		panic(err) // the size is not positive
	}

	return &Directory{db: db.New(), pool: pool, plans: plans, now: now, known: known}
}

// Ensure finds a user, who is known from then on. The row is locked until the end of tx: who ensures one user takes turns.
func (d *Directory) Ensure(ctx context.Context, tx db.DBTX, id uuid.UUID) (User, error) {
	row, err := d.db.UserEnsure(ctx, tx, id)
	if err != nil {
		return User{}, fmt.Errorf("find user %s: %w", id, err)
	}

	return User{Ref: row.Ref, Plan: d.plans.Of(row.Plan)}, nil
}

// Ref returns a user's random name, as [User] has it.
func (d *Directory) Ref(ctx context.Context, id uuid.UUID) (string, error) {
	ref, err := d.db.UserRef(ctx, d.pool, id)
	if errors.Is(err, pgx.ErrNoRows) { // they look before they ask for anything
		var u User

		u, err = d.Ensure(ctx, d.pool, id)
		ref = u.Ref
	}

	if err != nil {
		return "", fmt.Errorf("find user %s: %w", id, err)
	}

	return ref, nil
}

// Lock has the user's changes wait until the end of tx. Nothing is locked where there is no such user.
func (d *Directory) Lock(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	if _, err := d.db.UserLock(ctx, tx, id); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("lock user %s: %w", id, err)
	}

	return nil
}

// QueueEnsure adds to a batch what [Directory.Ensure] does, for who reads nothing of it.
func QueueEnsure(b *pgx.Batch, id uuid.UUID) { b.Queue(db.UserEnsure, id) }

// QueueLock adds to a batch what [Directory.Lock] does. It sets ref, which stays empty where there is no such user.
func QueueLock(b *pgx.Batch, id uuid.UUID, ref *string) {
	b.Queue(db.UserLock, id).QueryRow(func(row pgx.Row) error {
		if err := row.Scan(ref); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("lock user %s: %w", id, err)
		}

		return nil
	})
}
