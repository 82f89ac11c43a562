package apptest

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/clock"
	"imagerun/internal/credits/creditstest"
	"imagerun/internal/storage/sweep"
)

// Quiet waits until no job is live and nothing is held for a generation that waits for its turn, which is no job; then it
// compares what asynq counts with what Postgres holds, and audits the ledger.
func (p *Product) Quiet(t testing.TB) {
	t.Helper()

	require.Eventually(t, func() bool {
		return p.Count(t, `select (select count(*) from job where state <> 'dead') + (select count(*) from credit_hold where closed_at is null)`) == 0
	}, time.Minute, 50*time.Millisecond, "jobs do not come to an end\n%s", p.Log)
	p.CheckCounts(t)
	p.CheckCredits(t)
}

// CheckCredits audits the ledger, and demands of a quiet product that each stored image was paid for,
// no other, and that nothing is held.
func (p *Product) CheckCredits(t testing.TB) {
	t.Helper()
	creditstest.Check(t, p.Pool)
	require.Zero(t, p.Count(t, `select count(*) from credit_hold where closed_at is null`), "what ended holds nothing")
	require.Zero(t, p.Count(t, `select count(*) from ai_image i join ai_task k on k.id = i.task_id
		full join (select task_id, image_index from ledger_txn where kind = 'capture' and task_id in (select id from ai_task)) c
			on c.task_id = i.task_id and c.image_index = i.index
		where (i.status = 'stored') is distinct from (c.task_id is not null)`), "every stored image is paid for, and no other")
	require.Zero(t, p.Count(t, `select count(*) from ai_task k left join credit_hold h on h.task_id = k.id
		where h.captured is distinct from (k.prices ->> coalesce(k.served_model, k.model))::bigint *
			(select count(*) from ai_image i where i.task_id = k.id and i.status = 'stored')`), "each at the price of the model that made it")
}

// queueCounts is what the dashboard shows of one queue.
type queueCounts struct {
	Queue     string `json:"queue"`
	Pending   int    `json:"pending"`
	Active    int    `json:"active"`
	Scheduled int    `json:"scheduled"`
	Retry     int    `json:"retry"`
	Archived  int    `json:"archived"`
}

// Dashboard reads what the queue dashboard shows.
func (p *Product) Dashboard(t testing.TB) []queueCounts {
	t.Helper()

	status, body := p.Ops(t, p.OpsURL+"/queues/api/queues")
	require.Equal(t, 200, status, body)

	var page struct{ Queues []queueCounts }

	require.NoError(t, json.Unmarshal([]byte(body), &page), body)

	return page.Queues
}

// CheckCounts demands that the dashboard and the job table agree for every queue and state
// within five seconds.
func (p *Product) CheckCounts(t testing.TB) {
	t.Helper()

	var shown, held []queueCounts

	ok := func() bool {
		shown, held = p.Dashboard(t), nil

		for _, s := range shown {
			h := queueCounts{Queue: s.Queue}

			// A row that is pushed and due later is scheduled in asynq; a snoozed or failed one waits to be tried again.
			err := p.Pool.QueryRow(t.Context(), `select
				count(*) filter (where state = 'pushed' and run_at <= created_at),
				count(*) filter (where state = 'running'),
				count(*) filter (where state = 'pushed' and run_at > created_at),
				count(*) filter (where state = 'retrying'),
				count(*) filter (where state = 'dead')
				from job where queue = $1`, s.Queue).Scan(&h.Pending, &h.Active, &h.Scheduled, &h.Retry, &h.Archived)
			require.NoError(t, err)

			held = append(held, h)
		}

		for i := range shown {
			// asynq moves what is due from scheduled and retry to pending by itself.
			s, h := shown[i], held[i]
			if s.Active != h.Active || s.Archived != h.Archived ||
				s.Pending+s.Scheduled+s.Retry != h.Pending+h.Scheduled+h.Retry {
				return false
			}
		}

		return true
	}

	for end := time.Now().Add(5 * time.Second); !ok(); <-time.After(100 * time.Millisecond) {
		require.True(t, time.Now().Before(end), "dashboard and job table differ\n%+v\n%+v", shown, held)
	}

	require.NotEmpty(t, shown, "the dashboard shows no queue")
}

// CheckObjects sweeps the bucket as the nightly job does, without a grace, and demands that every
// object has its row and every row its object.
func (p *Product) CheckObjects(t testing.TB) {
	t.Helper()

	var (
		r     sweep.Report
		found []sweep.Finding
	)

	o := sweep.Options{DryRun: true, Each: func(f sweep.Finding) { found = append(found, f) }}
	require.NoError(t, app.NewSweeper(p.Pool, p.Bucket, clock.System).Run(t.Context(), o, &r, nil))
	require.True(t, r.Clean(), "%+v\n%+v", r, found)
	require.GreaterOrEqual(t, r.Objects, int64(p.Count(t, `select 2 * count(*) from ai_image where status = 'stored'`)),
		"the sweep saw every stored image")
}
