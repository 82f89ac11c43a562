package generation_test

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
)

// lockOrder watches over the order in which transactions lock rows: every bundle that setup makes has one, so
// whatever a test does is looked at.
type lockOrder struct {
	mu    sync.Mutex
	open  map[*pgx.Conn][]string // guarded by mu: the tables of which a transaction has locked rows, in order
	wrong []string               // guarded by mu
}

// tracedPool returns a pool on a fresh database whose transactions are watched.
func tracedPool(t *testing.T) *pgxpool.Pool {
	t.Helper()

	cfg, o := devtest.Postgres(t).Config(), &lockOrder{open: map[*pgx.Conn][]string{}}
	cfg.ConnConfig.Tracer = o

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(func() {
		pool.Close()
		require.Empty(t, o.wrong, "transactions that lock rows in another order than doc.go says")
	})

	return pool
}

func (o *lockOrder) TraceQueryStart(ctx context.Context, conn *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	o.see(conn, d.SQL)

	return ctx
}

func (*lockOrder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (o *lockOrder) TraceBatchStart(ctx context.Context, conn *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	sqls := make([]string, len(d.Batch.QueuedQueries))
	for i, q := range d.Batch.QueuedQueries {
		sqls[i] = q.SQL
	}

	o.see(conn, sqls...)

	return ctx
}

func (*lockOrder) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (*lockOrder) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// see takes in statements that are sent together: they are a transaction, or part of one that is open.
func (o *lockOrder) see(conn *pgx.Conn, sqls ...string) {
	o.mu.Lock()
	defer o.mu.Unlock()

	locked, inTx := o.open[conn]

	for _, sql := range sqls {
		switch word := strings.ToLower(strings.Fields(sql + " ;")[0]); word {
		case "begin":
			locked, inTx = nil, true
		case "commit", "rollback":
			inTx = false
		default:
			locked = append(locked, locks(sql)...)
		}
	}

	if inTx {
		o.open[conn] = locked

		return
	}

	delete(o.open, conn)

	if disordered(locked) {
		o.wrong = append(o.wrong, strings.Join(locked, ", "))
	}
}

var (
	sqlComment = regexp.MustCompile(`--[^\n]*`)
	lockClause = regexp.MustCompile(`from (\w+)(?: [^;]*?)? for (?:no key )?update(?: of (\w+))?`)
	lockedBy   = regexp.MustCompile(`\b(?:update|delete from) (?:only )?(\w+)|(job)_complete\(|insert into (\w+)[^;]*on conflict`)
)

// locks lists the tables of which a statement locks rows that are there already.
func locks(sql string) (tables []string) {
	sql = strings.Join(strings.Fields(strings.ToLower(sqlComment.ReplaceAllString(sql, ""))), " ")

	for _, m := range lockClause.FindAllStringSubmatch(sql, -1) {
		table := m[1]
		if named := regexp.MustCompile(`(\w+) ` + m[2] + `\b`).FindStringSubmatch(m[0]); m[2] != "" {
			table = named[1]
		}

		tables = append(tables, table)
	}

	sql = strings.ReplaceAll(lockClause.ReplaceAllString(sql, ""), "do update set", "")

	for _, m := range lockedBy.FindAllStringSubmatch(sql, -1) {
		tables = append(tables, m[1]+m[2]+m[3])
	}

	return slices.Compact(tables)
}

// disordered reports whether a transaction locks rows in an order that lets it wait in a circle: behind any other
// row its task, or more than one job without that.
func disordered(tables []string) bool {
	task := slices.IndexFunc(tables, func(t string) bool { return t == "ai_task" || t == "provider_attempt_tombstone" })
	other := slices.IndexFunc(tables, func(t string) bool {
		return t == "job" || t == "provider_attempt" || t == "ai_image" || t == "generation_user" || strings.HasPrefix(t, "credit_")
	})
	job := slices.Index(tables, "job")

	return task >= 0 && other >= 0 && other < task || task < 0 && job >= 0 && len(tables) > 1
}

func TestLocks(t *testing.T) {
	t.Parallel()

	for sql, want := range map[string][]string{
		"-- name: A :one\n-- for update\nselect * from job where id = $1":                                      nil,
		"select sqlc.embed(t) from ai_task t join generation_user u on u.user_id = t.user_id for update of t":  {"ai_task"},
		"select * from provider_attempt where id = $1 for no key update":                                       {"provider_attempt"},
		"with c as (update generation_user set n = 1) insert into generation_event select 1 from c":            {"generation_user"},
		"insert into job (id) values ($1) on conflict (kind) do update set dedupe_key = excluded.dedupe_key":   {"job"},
		"insert into job (id) values ($1)":                                                                     nil,
		"select job_complete($1, $2)":                                                                          {"job"},
		"with l as (select id from job order by id for no key update skip locked) update job set a = 1 from l": {"job"},
		"delete from ai_task where id = $1":                                                                    {"ai_task"},
	} {
		require.Equal(t, want, locks(sql), sql)
	}

	for tables, want := range map[string]bool{
		"":                               false,
		"job":                            false,
		"job job":                        true,
		"job ai_task":                    true,
		"ai_task job generation_user":    false,
		"generation_user ai_task":        true,
		"provider_attempt job":           true,
		"generation_user credit_account": false,
		"ai_task provider_attempt generation_user credit_account job job": false,
	} {
		require.Equal(t, want, disordered(strings.Fields(tables)), tables)
	}
}
