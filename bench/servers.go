package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"imagerun/internal/devstack"
	"imagerun/internal/postgres"
)

// conns is how many connections to Postgres each system may hold.
const conns = 30

// servers are one Postgres that writes durably and one Redis that keeps nothing, which all
// systems share: only one of them works at a time, unless the bench says otherwise.
type servers struct {
	private *devstack.Private
	pg      *devstack.Postgres
	redis   *devstack.Redis

	databases *atomic.Int64
	// via replaces an address by that of a proxy; nil: straight.
	via map[string]string
}

func startServers(ctx context.Context) (_ *servers, err error) {
	s := &servers{private: &devstack.Private{}, databases: &atomic.Int64{}}

	defer func() {
		if err != nil {
			s.stop()
		}
	}()

	if s.pg, err = s.private.DurablePostgres(ctx); err != nil {
		return nil, err
	}

	if s.redis, err = s.private.Redis(ctx); err != nil {
		return nil, err
	}

	conn, err := pgx.Connect(ctx, s.pg.OwnerURL)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)

	// A checkpoint in the middle of one system's turn would be chance, not a property of it.
	for _, sql := range []string{"alter system set max_wal_size = '4GB'", "alter system set checkpoint_timeout = '1h'", "select pg_reload_conf()"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return nil, fmt.Errorf("configure postgres: %w", err)
		}
	}

	return s, nil
}

func (s *servers) stop() { s.private.Stop() }

// newDatabase makes a fresh database with our schema and returns URLs of the application and the
// owner for it.
func (s *servers) newDatabase(ctx context.Context) (app, owner string, err error) {
	app, _, owner, err = s.pg.NewDatabase(ctx, "bench"+strconv.FormatInt(s.databases.Add(1), 10))

	return s.viaProxy(app), s.viaProxy(owner), err
}

// newRedisDatabase returns the URL of a Redis database that is unused.
func (s *servers) newRedisDatabase() string {
	u := &url.URL{Scheme: "redis", Host: s.redis.Addr, Path: "/" + strconv.FormatInt(s.databases.Add(1), 10)}

	return s.viaProxy(u.String())
}

func (s *servers) viaProxy(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}

	if proxy, ok := s.via[u.Host]; ok {
		u.Host = proxy
	}

	return u.String()
}

// countCommands returns how many commands Redis has done so far, those inside scripts too.
func (s *servers) countCommands(ctx context.Context) (float64, error) {
	return s.readInfo(ctx, "stats", "total_commands_processed")
}

// readMemory returns the bytes that Redis holds.
func (s *servers) readMemory(ctx context.Context) (float64, error) {
	return s.readInfo(ctx, "memory", "used_memory")
}

func (s *servers) readInfo(ctx context.Context, section, field string) (float64, error) {
	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer client.Close()

	text, err := client.Info(ctx, section).Result()
	if err != nil {
		return 0, fmt.Errorf("ask redis: %w", err)
	}

	for line := range strings.Lines(text) {
		if v, ok := strings.CutPrefix(line, field+":"); ok {
			return strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
	}

	return 0, fmt.Errorf("redis does not say %s", field)
}

// statements counts what a pool sends.
type statements struct{ n atomic.Int64 }

// TraceQueryStart implements pgx.QueryTracer.
func (s *statements) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	s.n.Add(1)

	return ctx
}

// TraceBatchStart implements pgx.BatchTracer.
func (s *statements) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

// TraceBatchQuery implements pgx.BatchTracer.
func (s *statements) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) { s.n.Add(1) }

// TraceBatchEnd implements pgx.BatchTracer.
func (s *statements) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// TraceQueryEnd implements pgx.QueryTracer.
func (s *statements) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// openPool opens a pool as pgx has it, for peers; count may be nil.
func openPool(ctx context.Context, rawURL string, count *statements) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(rawURL)
	if err != nil {
		return nil, err
	}

	return openCounting(ctx, cfg, count)
}

// openOurPool opens a pool as the product does; count may be nil.
func openOurPool(ctx context.Context, rawURL string, count *statements) (*pgxpool.Pool, error) {
	pool, err := postgres.Open(ctx, postgres.Options{URL: rawURL, AppName: "bench"})
	if err != nil {
		return nil, err
	}
	defer pool.Close() // it has not dialled

	return openCounting(ctx, pool.Config(), count)
}

func openCounting(ctx context.Context, cfg *pgxpool.Config, count *statements) (*pgxpool.Pool, error) {
	cfg.MaxConns = conns
	if count != nil {
		cfg.ConnConfig.Tracer = count
	}

	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}

	return pool, pool.Ping(ctx)
}

// machine says where the figures come from.
type machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	Go       string `json:"go"`
	Postgres string `json:"postgres"`
	Redis    string `json:"redis"`
	Settings string `json:"settings"`
}

func (m machine) String() string {
	return fmt.Sprintf("%d cores %s, %s, Postgres %s, Redis %s, %s", m.Cores, m.CPU, m.Go, m.Postgres, m.Redis, m.Settings)
}

func (s *servers) describeMachine(ctx context.Context) machine {
	m := machine{
		Cores: runtime.NumCPU(), Go: runtime.Version(),
		Settings: "all on one machine, Postgres with fsync, Redis without persistence",
	}

	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				m.CPU = strings.TrimSpace(strings.TrimLeft(name, "\t :"))

				break
			}
		}
	}

	if conn, err := pgx.Connect(ctx, s.pg.OwnerURL); err == nil {
		_ = conn.QueryRow(ctx, "show server_version").Scan(&m.Postgres) // for people; a gap is a gap
		_ = conn.Close(ctx)
	}

	client := redis.NewClient(&redis.Options{Addr: s.redis.Addr})
	defer client.Close()

	if text, err := client.Info(ctx, "server").Result(); err == nil {
		for line := range strings.Lines(text) {
			if v, ok := strings.CutPrefix(line, "redis_version:"); ok {
				m.Redis = strings.TrimSpace(v)
			}
		}
	}

	return m
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}

	return u.Host
}
