// Package postgres opens the pool, runs transactions and applies migrations.
package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	pgxuuid "github.com/vgarvardt/pgx-google-uuid/v5"
)

// Options say how to reach the database.
type Options struct {
	URL              string        // postgres://…; secret
	AppName          string        // shown in pg_stat_activity
	MaxConns         int32         // of this process; zero: 10
	StatementTimeout time.Duration // per statement; zero: 10 s
}

// Open returns a pool. It does not dial: the first query does, so a process starts without its
// database and says so in its readiness.
func Open(ctx context.Context, o Options) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		// pgx's message masks the password, but not every part of a malformed URL.
		return nil, fmt.Errorf("postgres url is not understood")
	}

	if o.MaxConns == 0 {
		o.MaxConns = 10
	}

	if o.StatementTimeout == 0 {
		o.StatementTimeout = 10 * time.Second
	}

	cfg.MaxConns = o.MaxConns
	cfg.MaxConnLifetimeJitter = time.Minute
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second

	params := cfg.ConnConfig.RuntimeParams
	params["application_name"] = o.AppName
	params["timezone"] = "UTC"
	params["statement_timeout"] = fmt.Sprint(o.StatementTimeout.Milliseconds())
	params["idle_in_transaction_session_timeout"] = "30000"

	cfg.AfterConnect = registerTypes
	cfg.ConnConfig.ValidateConnect = validateSession(o.StatementTimeout)
	cfg.ConnConfig.OnPgError = keepConnection
	cfg.ConnConfig.AfterNetConnect = markErrors

	return pgxpool.NewWithConfig(ctx, cfg)
}

// registerTypes makes times come out in UTC, where pgx's default is the machine's zone, and ids go over
// the wire as they are rather than as text.
func registerTypes(_ context.Context, conn *pgx.Conn) error {
	pgxuuid.Register(conn.TypeMap())
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})

	return nil
}
