package postgres_test

import (
	"context"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
)

// migrateBundle is a database with two tables, and migrations that are to change them.
type migrateBundle struct {
	url   string // with which it is migrated; a lock is waited for a tenth of a second
	files fstest.MapFS
	pool  *pgxpool.Pool
}

func setupMigrate(t *testing.T, ups ...string) *migrateBundle {
	t.Helper()

	_, _, owner := devtest.PostgresURLs(t)
	b := &migrateBundle{url: owner + "&lock_timeout=100ms", files: fstest.MapFS{}, pool: devtest.Pool(t, owner)}

	_, err := b.pool.Exec(t.Context(), "create table busy (n integer); create table quiet (n integer)")
	require.NoError(t, err)

	for i, up := range ups {
		name := []string{"90001_first.sql", "90002_second.sql"}[i]
		b.files[name] = &fstest.MapFile{Data: []byte(up + "\n-- +goose Down\nselect 1;\n")}
	}

	return b
}

// hold begins a transaction that has done something, as a dump or a session that an operator forgot has.
func (b *migrateBundle) hold(t *testing.T, sql string) pgx.Tx {
	t.Helper()

	tx, err := b.pool.Begin(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })

	_, err = tx.Exec(t.Context(), sql)
	require.NoError(t, err)

	return tx
}

type migrated struct {
	applied int
	err     error
}

func (b *migrateBundle) migrate(t *testing.T) <-chan migrated {
	t.Helper()

	ended := make(chan migrated, 1)

	go func() {
		applied, err := postgres.Migrate(t.Context(), b.url, b.files)
		ended <- migrated{applied, err}
	}()

	return ended
}

// await returns when a statement waits for a lock of a kind, or when none does any more.
func (b *migrateBundle) await(t *testing.T, waits bool, kind string) {
	t.Helper()

	require.Eventually(t, func() bool {
		return waits == (b.number(t, `select count(*) from pg_locks l join pg_stat_activity a using (pid)
			where not l.granted and l.locktype = $1 and a.datname = current_database()`, kind) > 0)
	}, 10*time.Second, time.Millisecond)
}

func (b *migrateBundle) number(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(t.Context(), sql, args...).Scan(&n))

	return n
}

const (
	addColumns = "-- +goose Up\nalter table quiet add column a integer;\nalter table busy add column a integer;"
	addIndex   = "-- +goose NO TRANSACTION\n-- +goose Up\ndrop index concurrently if exists busy_idx;\ncreate index concurrently busy_idx on busy (n);"
)

func TestMigrate_WaitsForNoLockLong(t *testing.T) {
	t.Parallel()

	b := setupMigrate(t, addColumns)
	reader := b.hold(t, "select from busy")
	ended := b.migrate(t)
	longest := time.Duration(0)

	// Meanwhile others read the table. Each waits behind the migration for as long as that waits, at most.
	var m migrated

	for over := false; !over; {
		start := time.Now()

		require.Zero(t, b.number(t, "select count(*) from busy"))

		longest = max(longest, time.Since(start))

		select {
		case m = <-ended:
			over = true
		default:
		}
	}

	require.ErrorContains(t, m.err, "migrate: 90001_first.sql: another transaction kept a lock that it needs")
	require.ErrorContains(t, m.err, "55P03")
	require.Zero(t, m.applied)
	require.Less(t, longest, 2*time.Second)
	require.Zero(t, b.number(t, "select count(*) from pg_attribute where attname = 'a' and attrelid in ('busy'::regclass, 'quiet'::regclass)"))

	require.NoError(t, reader.Rollback(t.Context()))
	require.Equal(t, migrated{applied: 1}, <-b.migrate(t))
}

func TestMigrate_TriesAgain(t *testing.T) {
	t.Parallel()

	b := setupMigrate(t, addColumns)
	reader := b.hold(t, "select from busy")
	ended := b.migrate(t)

	b.await(t, true, "relation")
	b.await(t, false, "relation")
	require.NoError(t, reader.Rollback(t.Context()))
	require.Equal(t, migrated{applied: 1}, <-ended)
}

// An index that is made concurrently blocks no statement, and would have to be made anew: it waits. What follows does not.
func TestMigrate_WaitsOutsideATransaction(t *testing.T) {
	t.Parallel()

	b := setupMigrate(t, addIndex, addColumns)
	writer := b.hold(t, "insert into busy values (1)")
	ended := b.migrate(t)

	b.await(t, true, "virtualxid")

	select {
	case m := <-ended:
		require.Fail(t, "it did not wait", "%v", m)
	case <-time.After(time.Second):
	}

	reader := b.hold(t, "select from busy")
	require.NoError(t, writer.Commit(t.Context()))

	m := <-ended
	require.Equal(t, 1, m.applied)
	require.ErrorContains(t, m.err, "90002_second.sql: another transaction kept a lock")
	require.Equal(t, 1, b.number(t, "select count(*) from pg_index where indexrelid = 'busy_idx'::regclass and indisvalid"))

	require.NoError(t, reader.Rollback(t.Context()))
	require.Equal(t, migrated{applied: 1}, <-b.migrate(t))
}

func TestMigrate_Timeouts(t *testing.T) {
	t.Parallel()

	b := setupMigrate(t, `-- +goose Up
create table seen as select current_setting('lock_timeout') as lock, current_setting('statement_timeout') as statement;`)

	applied, err := postgres.Migrate(t.Context(), b.pool.Config().ConnString()+"&statement_timeout=1s", b.files)
	require.NoError(t, err)
	require.Equal(t, 1, applied)

	var lock, statement string

	require.NoError(t, b.pool.QueryRow(t.Context(), "select lock, statement from seen").Scan(&lock, &statement))
	require.Equal(t, []string{"5s", "0"}, []string{lock, statement})
}
