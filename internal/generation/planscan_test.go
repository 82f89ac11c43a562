package generation_test

import (
	"context"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
)

// sent is a statement as it went to Postgres.
type sent struct {
	sql  string
	args []any
}

// recorder keeps what a pool sends.
type recorder struct {
	mu   sync.Mutex
	list []sent // guarded by mu
}

// TraceQueryStart implements [pgx.QueryTracer].
func (r *recorder) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.list = append(r.list, sent{d.SQL, d.Args})

	return ctx
}

// TraceQueryEnd implements [pgx.QueryTracer].
func (r *recorder) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// take returns what was sent since it was last asked.
func (r *recorder) take() []sent {
	r.mu.Lock()
	defer r.mu.Unlock()

	list := r.list
	r.list = nil

	return list
}

// node is a part of a plan, as EXPLAIN (FORMAT JSON) writes it.
type node struct {
	Type     string `json:"Node Type"`     //nolint:tagliatelle // Postgres names it
	Relation string `json:"Relation Name"` //nolint:tagliatelle // Postgres names it
	Plans    []node
}

// walks returns the big tables that a plan reads from end to end.
func (n node) walks(big map[string]bool) (tables []string) {
	if n.Type == "Seq Scan" && big[n.Relation] {
		tables = append(tables, n.Relation)
	}

	for _, p := range n.Plans {
		tables = append(tables, p.walks(big)...)
	}

	return tables
}

var explainable = regexp.MustCompile(`(?is)^\s*(--[^\n]*\n\s*)*(select|insert|update|delete|with)\b`)

// However many generations there have been, nothing of what accepts, admits and lists them reads a big
// table from end to end: every statement that these really send is explained with its arguments.
func TestProve_PlansReadNoBigTableFromEndToEnd(t *testing.T) {
	t.Parallel()

	tasks := 50_000
	if os.Getenv("IMAGERUN_PROVE") != "" {
		tasks = 1_000_000
	}

	url, _, ownerURL := devtest.PostgresURLs(t)
	owner := devtest.Pool(t, ownerURL)
	trace := &recorder{}

	cfg, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)

	cfg.ConnConfig.Tracer = trace

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	b := setupOn(t, pool, func(o *generation.Options) { o.Slots = 1000 })
	b.fund(t, b.user, fortune)
	b.submit(t)
	fill(t, owner, b.user, tasks)

	big := bigTables(t, owner)
	for _, table := range []string{"ai_task", "ai_image", "generation_event", "generation_user", "admission_turn"} {
		require.True(t, big[table], table)
	}

	trace.take()
	explained := 0

	for _, path := range paths(t, b) {
		path.walk()

		for _, s := range trace.take() {
			if !explainable.MatchString(s.sql) {
				continue
			}

			explained++

			tables := explain(t, owner, s).walks(big)
			require.Empty(t, tables, "%s reads from end to end by\n%s", path.name, s.sql)
		}
	}

	require.Greater(t, explained, 60)
}

// fill makes users with histories, a tenth of the tasks as many, some of which wait.
func fill(t *testing.T, owner *pgxpool.Pool, user uuid.UUID, tasks int) {
	t.Helper()

	conn, err := owner.Acquire(t.Context())
	require.NoError(t, err)
	defer conn.Release()

	_, err = conn.Exec(t.Context(), `set statement_timeout = 0`)
	require.NoError(t, err)

	for _, sql := range []string{
		`insert into generation_user (user_id) select md5('u' || n)::uuid from generate_series(1, greatest($1::int / 10, 20000)) n`,
		`insert into admission_turn (provider, user_id, pass) select 'fal', user_id, 0 from generation_user where $1::int > 0 on conflict do nothing`,
		// A hundredth of everything is one user's; a thousandth of everything waits.
		`insert into ai_task (id, user_id, provider, model, catalogue_hash, prompt, parameters, support_code, created_at, deadline_at, admitted_at, finished_at, status)
		 select md5('t' || n)::uuid, case when n % 100 = 0 then $2::uuid else md5('u' || 1 + n % ($1::int / 10))::uuid end, 'fal', (array['z-image-turbo', 'flux-dev', 'flux-schnell'])[1 + n % 3], '', 'a red fox',
		 '{"num_images": 1}', 's' || n, now() - n * interval '1 minute', case when n % 1000 = 1 then now() + interval '1 day' else now() - n * interval '1 minute' + interval '10 minutes' end,
		 case when n % 1000 <> 1 then now() - n * interval '1 minute' end, case when n % 1000 <> 1 then now() - n * interval '1 minute' + interval '20 seconds' end,
		 case when n % 1000 = 1 then 'queued' when n % 7 = 0 then 'failed' else 'succeeded' end from generate_series(1, $1::int) n`,
		`insert into ai_image (task_id, index, status, key, thumbnail_key) select id, 0, 'failed', 'k' || id, 'h' || id from ai_task t where $1::int > 0 and not exists (select from ai_image i where i.task_id = t.id)`,
		`insert into generation_event (task_id, sequence, status, at, user_id, user_sequence)
		 select t.id, 1, 'queued', t.created_at, t.user_id, 10 + row_number() over (partition by t.user_id order by t.created_at)
		 from ai_task t where $1::int > 0 and not exists (select from generation_event e where e.task_id = t.id)`,
		`insert into provider_attempt (task_id, n, state, endpoint, request_id, finished_at) select id, 1, 'done', 'e', 'r' || id, now() from ai_task where $1::int > 0`,
	} {
		args := []any{tasks}
		if strings.Contains(sql, "$2") {
			args = append(args, user)
		}

		_, err = conn.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}

	_, err = conn.Exec(t.Context(), `update generation_user u set event_sequence = s.n from (select user_id, max(user_sequence) as n from generation_event group by 1) s where s.user_id = u.user_id`)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), `vacuum analyze`)
	require.NoError(t, err)
}

// bigTables are those of more than ten thousand rows.
func bigTables(t *testing.T, owner *pgxpool.Pool) map[string]bool {
	t.Helper()

	rows, err := owner.Query(t.Context(), `select relname from pg_class where relkind = 'r' and reltuples > 10000`)
	require.NoError(t, err)

	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)

	big := map[string]bool{}
	for _, n := range names {
		big[n] = true
	}

	return big
}

func explain(t *testing.T, owner *pgxpool.Pool, s sent) node {
	t.Helper()

	var (
		text  []byte
		plans []struct{ Plan node }
	)

	require.NoError(t, owner.QueryRow(t.Context(), "explain (format json) "+s.sql, s.args...).Scan(&text), s.sql)
	require.NoError(t, json.Unmarshal(text, &plans))

	return plans[0].Plan
}

// path is something that people or clocks have the service do.
type path struct {
	name string
	walk func()
}

func paths(t *testing.T, b *bundle) []path {
	t.Helper()

	ask := func(edit func(*generation.Submission)) generation.Submission {
		s := generation.Submission{UserID: b.user, Request: catalogue.Request{Model: "z-image-turbo", Prompt: prompt("a red fox")}}
		edit(&s)

		return s
	}

	var g generation.Generation

	list := func(f generation.Filter) func() {
		return func() {
			page, err := b.List(t.Context(), b.user, f)
			require.NoError(t, err)

			if f.RemixOf == nil && !f.Favourite {
				require.NotEmpty(t, page.Generations)
			}
		}
	}

	return []path{
		{"submit", func() {
			out, err := b.Service.Submit(t.Context(), ask(func(s *generation.Submission) { s.IdempotencyKey, s.Fingerprint = "k", []byte("f") }))
			require.NoError(t, err)

			g = out.Generation
		}},
		{"a repeated submit", func() {
			_, err := b.Service.Submit(t.Context(), ask(func(s *generation.Submission) { s.IdempotencyKey, s.Fingerprint = "k", []byte("f") }))
			require.NoError(t, err)
		}},
		{"estimate", func() {
			_, err := b.Estimate(t.Context(), ask(func(*generation.Submission) {}))
			require.NoError(t, err)
		}},
		{"get", func() {
			b.now.Move(time.Minute)
			require.NotNil(t, b.get(t, g.ID).QueuePosition)
		}},
		{"list", list(generation.Filter{})},
		{"list by status", list(generation.Filter{Statuses: []generation.Status{generation.StatusFailed}})},
		{"list by model", list(generation.Filter{Model: "flux-dev", Limit: 100})},
		{"list of favourites", list(generation.Filter{Favourite: true})},
		{"list of remixes", list(generation.Filter{RemixOf: new(uuid.New())})},
		{"what happened", func() {
			_, err := b.Events(t.Context(), b.user, g.ID, 0)
			require.NoError(t, err)
			_, err = b.Changes(t.Context(), b.user, 20, nil)
			require.NoError(t, err)
			_, err = b.Overview(t.Context(), b.user, nil)
			require.NoError(t, err)
		}},
		{"the next pages", func() {
			list(generation.Filter{StartingAfter: &generation.Place{ID: g.ID}})()

			page, err := b.List(t.Context(), b.user, generation.Filter{StartingAfter: &generation.Place{CreatedAt: g.CreatedAt, ID: g.ID}})
			require.NoError(t, err)
			list(generation.Filter{EndingBefore: &generation.Place{ID: page.Generations[0].ID}})()
		}},
		{"admission", func() {
			n, err := b.Admit(t.Context(), "fal")
			require.NoError(t, err)
			require.Positive(t, n)
		}},
		{"admission beside a shut model", func() {
			_, err := b.pool.Exec(t.Context(), `insert into model_breaker (model, failures, opened_at) values ('flux-dev', 5, $1)`, b.now.Now())
			require.NoError(t, err)
			b.now.Move(2 * time.Second)

			_, err = b.Service.Submit(t.Context(), ask(func(*generation.Submission) {}))
			require.NoError(t, err)
			_, err = b.Admit(t.Context(), "fal")
			require.NoError(t, err)
		}},
		{"watch", func() { require.NoError(t, b.Watch(t.Context(), b.user)) }},
		{"cancel", func() {
			_, err := b.Cancel(t.Context(), b.user, g.ID)
			require.NoError(t, err)
		}},
		{"favourite", func() {
			_, err := b.SetFavourite(t.Context(), b.user, g.ID, true)
			require.NoError(t, err)
		}},
		{"delete", func() { require.NoError(t, b.Delete(t.Context(), b.user, g.ID)) }},
		{"deadlines", func() {
			_, err := b.ExpireDue(t.Context())
			require.NoError(t, err)
		}},
	}
}
