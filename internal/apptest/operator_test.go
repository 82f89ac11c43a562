package apptest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/jobs"
)

// TestOperator presses the dashboard's buttons on the running product.
func TestOperator(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{})
	u := p.SignUp(t, "")
	api := p.OpsURL + "/queues/api/queues/"

	require.Equal(t, http.StatusNoContent, p.Press(t, http.MethodPost, api+"generation:pause"))

	g := u.Submit(t, nil)
	require.Eventually(t, func() bool {
		return p.Count(t, `select count(*) from job where state = 'pushed' and kind = 'generation.submit'`) == 1
	}, 10*time.Second, 20*time.Millisecond)
	require.Never(t, func() bool { return p.Fal.Stats().Submits > 0 }, time.Second, 100*time.Millisecond, "the queue is paused")

	require.Equal(t, http.StatusNoContent, p.Press(t, http.MethodPost, api+"generation:resume"))
	require.Equal(t, "succeeded", u.Await(t, g.ID, 30*time.Second).Status)

	// A dead job whose matter is settled: run it, and it is gone without having done anything.
	dead := uuid.New()
	_, err := p.Pool.Exec(t.Context(), `insert into job (id, kind, queue, args, state, died_at, attempt)
		select $1, 'generation.submit', 'generation', jsonb_build_object('task_id', id), 'dead', now(), 10 from ai_task`, dead)
	require.NoError(t, err)
	require.Equal(t, http.StatusNoContent, p.Press(t, http.MethodPost, api+"generation/archived_tasks/"+dead.String()+":1:run"))
	require.Eventually(t, func() bool { return p.Count(t, `select count(*) from job where id = $1`, dead) == 0 }, 10*time.Second, 20*time.Millisecond)
	require.EqualValues(t, 1, p.Fal.Stats().Submits)

	// A job that is canceled before a worker has it: its generation is canceled, and says that an operator did it.
	require.Equal(t, http.StatusNoContent, p.Press(t, http.MethodPost, api+"generation:pause"))

	g = u.Submit(t, nil)

	var task string

	require.Eventually(t, func() bool {
		return p.Pool.QueryRow(t.Context(), `select id || ':' || epoch from job where state = 'pushed' and kind = 'generation.submit'`).Scan(&task) == nil
	}, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, http.StatusNoContent, p.Press(t, http.MethodDelete, api+"generation/pending_tasks/"+task))
	require.Equal(t, 1, p.Count(t, `select count(*) from job where canceling`), "no worker comes to it")
	require.Equal(t, http.StatusNoContent, p.Press(t, http.MethodPost, api+"generation:resume"))
	require.Equal(t, "canceled", u.Await(t, g.ID, 30*time.Second).Status)
	require.Equal(t, 1, p.Count(t, `select count(*) from ai_task where failure_code = 'canceled_by_operator'`))
	require.Equal(t, 1, p.Count(t, `select count(*) from job where state = 'dead' and error_code = 'canceled'`))
	require.EqualValues(t, 1, p.Fal.Stats().Submits)

	require.Equal(t, http.StatusMethodNotAllowed, p.Press(t, http.MethodDelete, api+"generation"))
	require.Equal(t, 6, p.Count(t, `select count(*) from job_audit where operator = 'operator'`))
	require.Eventually(t, func() bool { return p.Count(t, `select count(*) from schedule`) == len(jobs.Schedules()) }, 10*time.Second, 20*time.Millisecond)
}
