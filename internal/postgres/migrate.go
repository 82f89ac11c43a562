package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"imagerun/internal/clock"
)

// afterSuffix is how the file of a migration ends that the release before cannot live with.
const afterSuffix = "_after.sql"

// noTransaction is what goose reads in a file that it is not to wrap in a transaction.
var noTransaction = regexp.MustCompile(`(?m)^--\s*\+goose NO TRANSACTION\s*$`)

const (
	// lockTimeout is how long a migration waits for a lock on a table. A statement that comes later waits behind it, even to read, so
	// it gives up before they do: their statements have ten seconds.
	lockTimeout = "5s"
	// lockAttempts is how often it tries; in between, the statements that waited go on.
	lockAttempts = 5
	lockPause    = time.Second
)

// Migrate brings the database at url to the newest of the given migrations and returns how many
// it applied, but for those whose file is called …_after.sql: they take away what only the release before
// needs. An advisory lock makes concurrent deploys take turns. The role in url must own
// the database and may create roles.
//
// A migration waits five seconds for a lock, or as long as lock_timeout in url says; one that does not get it is
// undone and tried again a few times. Outside a transaction it waits as long as it must: no statement waits behind an index
// that is made concurrently.
func Migrate(ctx context.Context, url string, migrations fs.FS) (applied int, err error) {
	later, err := fs.Glob(migrations, "*"+afterSuffix)
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}

	return applyPending(ctx, url, migrations, goose.WithExcludeNames(later))
}

// FinishMigrate is [Migrate] with all migrations. It is for when no process of the release before runs any more,
// and for databases that have no such release.
func FinishMigrate(ctx context.Context, url string, migrations fs.FS) (applied int, err error) {
	return applyPending(ctx, url, migrations)
}

func applyPending(ctx context.Context, url string, migrations fs.FS, o ...goose.ProviderOption) (applied int, err error) {
	p, db, err := newProvider(url, migrations, o...)
	if err != nil {
		return 0, err
	}
	defer db.Close()

	// A process with nothing to migrate waits for no other.
	pending, err := p.HasPending(ctx)
	if err != nil {
		return 0, fmt.Errorf("read which migrations were applied: %w", err)
	}

	if !pending {
		return 0, nil
	}

	unlock, err := takeTurn(ctx, db)
	if err != nil {
		return 0, err
	}
	defer unlock()

	list, err := p.Status(ctx)
	if err != nil {
		return 0, fmt.Errorf("read which migrations were applied: %w", err)
	}

	for _, m := range list {
		if m.State == goose.StateApplied {
			continue
		}

		text, err := fs.ReadFile(migrations, m.Source.Path)
		if err != nil {
			return applied, fmt.Errorf("read migrations: %w", err)
		}

		if err := applyMigration(ctx, p, db, m.Source.Version, noTransaction.Match(text)); err != nil {
			return applied, fmt.Errorf("migrate: %s: %w", m.Source.Path, err)
		}

		applied++
	}

	return applied, nil
}

// takeTurn returns when no other process migrates. The lock has a connection of its own, and goes with it at the latest.
func takeTurn(ctx context.Context, db *sql.DB) (unlock func(), err error) {
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, fmt.Errorf("migration lock: %w", err)
	}

	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("migration lock: %w", err)
	}

	if err := locker.SessionLock(ctx, conn); err != nil {
		_ = conn.Close()

		return nil, fmt.Errorf("migration lock: %w", err)
	}

	return func() {
		_ = locker.SessionUnlock(context.WithoutCancel(ctx), conn)
		_ = conn.Close()
	}, nil
}

// applyMigration applies one migration. What is undone for want of a lock is tried again: one that is patient, because it has no
// transaction, can be repeated from its first statement on.
func applyMigration(ctx context.Context, p *goose.Provider, db *sql.DB, version int64, patient bool) error {
	if patient {
		if _, err := db.ExecContext(ctx, "set lock_timeout = 0"); err != nil {
			return err
		}

		defer func() { _, _ = db.ExecContext(context.WithoutCancel(ctx), "reset lock_timeout") }()
	}

	for attempt := 1; ; attempt++ {
		_, err := p.ApplyVersion(ctx, version, true)

		switch {
		case !lockRefused(err):
			return err
		case attempt == lockAttempts:
			return fmt.Errorf("another transaction kept a lock that it needs, at each of %d attempts; nothing of it was done: "+
				"end that transaction (docs/operations.md, a new release) and migrate again: %w", lockAttempts, err)
		}

		if !clock.Sleep(ctx, lockPause) {
			return errors.Join(ctx.Err(), err)
		}
	}
}

// lockRefused reports whether a lock could not be had in time, or a deadlock was ended at our expense.
func lockRefused(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)

	return ok && (e.Code == lockTimedOut || e.Code == deadlock)
}

// Pending reports whether the database lacks a migration of any kind.
func Pending(ctx context.Context, url string, migrations fs.FS) (bool, error) {
	p, db, err := newProvider(url, migrations)
	if err != nil {
		return false, err
	}
	defer db.Close()

	return p.HasPending(ctx)
}

func newProvider(url string, migrations fs.FS, o ...goose.ProviderOption) (*goose.Provider, *sql.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, nil, fmt.Errorf("postgres url is not understood")
	}

	if cfg.RuntimeParams["lock_timeout"] == "" {
		cfg.RuntimeParams["lock_timeout"] = lockTimeout
	}

	// However long the role's statements may take otherwise.
	cfg.RuntimeParams["statement_timeout"] = "0"

	db := stdlib.OpenDB(*cfg)
	// One holds the lock of whose turn it is. The other runs the migrations, so what is set there holds for the next.
	db.SetMaxOpenConns(2)

	// Tables are independent of each other, and so are the releases that bring them: a lower
	// number may arrive later.
	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations, append(o, goose.WithAllowOutofOrder(true))...)
	if err != nil {
		db.Close()

		return nil, nil, fmt.Errorf("read migrations: %w", err)
	}

	return p, db, nil
}
