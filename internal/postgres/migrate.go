package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// after is how the file of a migration ends that the release before cannot live with.
const after = "_after.sql"

// Migrate brings the database at url to the newest of the given migrations and returns how many
// it applied, but for those whose file is called …_after.sql: they take away what only the release before
// needs. An advisory lock makes concurrent deploys take turns. The role in url must own
// the database and may create roles.
func Migrate(ctx context.Context, url string, migrations fs.FS) (applied int, err error) {
	later, err := fs.Glob(migrations, "*"+after)
	if err != nil {
		return 0, fmt.Errorf("read migrations: %w", err)
	}

	return up(ctx, url, migrations, goose.WithExcludeNames(later))
}

// FinishMigrate is [Migrate] with all migrations. It is for when no process of the release before runs any more,
// and for databases that have no such release.
func FinishMigrate(ctx context.Context, url string, migrations fs.FS) (applied int, err error) {
	return up(ctx, url, migrations)
}

func up(ctx context.Context, url string, migrations fs.FS, o ...goose.ProviderOption) (applied int, err error) {
	p, db, err := provider(url, migrations, o...)
	if err != nil {
		return 0, err
	}
	defer db.Close()

	results, err := p.Up(ctx)
	if err != nil {
		return 0, fmt.Errorf("migrate: %w", err)
	}

	return len(results), nil
}

// Pending reports whether the database lacks a migration of any kind.
func Pending(ctx context.Context, url string, migrations fs.FS) (bool, error) {
	p, db, err := provider(url, migrations)
	if err != nil {
		return false, err
	}
	defer db.Close()

	return p.HasPending(ctx)
}

func provider(url string, migrations fs.FS, o ...goose.ProviderOption) (*goose.Provider, *sql.DB, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, nil, fmt.Errorf("postgres url is not understood")
	}

	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, nil, fmt.Errorf("migration lock: %w", err)
	}

	db := stdlib.OpenDB(*cfg)

	// Tables are independent of each other, and so are the releases that bring them: a lower
	// number may arrive later.
	o = append(o, goose.WithSessionLocker(locker), goose.WithAllowOutofOrder(true))

	p, err := goose.NewProvider(goose.DialectPostgres, db, migrations, o...)
	if err != nil {
		db.Close()

		return nil, nil, fmt.Errorf("read migrations: %w", err)
	}

	return p, db, nil
}
