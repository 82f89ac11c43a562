package asynqueue_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// dashboard is the operators' page on a system without workers.
type dashboard struct {
	*system

	handler http.Handler
	pauses  *asynqueue.Pauses
}

func newDashboard(t *testing.T) *dashboard {
	t.Helper()

	return newDashboardTimed(t, durable.Timing{})
}

func newDashboardTimed(t *testing.T, timing durable.Timing) *dashboard {
	t.Helper()

	s := setup(t, devtest.Redis(t), timing)
	s.maintain()

	cron, err := durable.NewCron(s.queue, queue.Schedule{
		Name: "chore", Spec: "0 3 * * *", CatchUp: time.Hour, Args: func(time.Time) queue.Args { return probe{} },
	})
	require.NoError(t, err)

	admin, log := durable.NewAdmin(s.queue), slog.New(slog.DiscardHandler)

	return &dashboard{
		system: s,
		pauses: asynqueue.NewPauses(s.pusher, admin, log),
		handler: asynqueue.Dashboard(asynqueue.DashboardOptions{
			Client: s.client, Prefix: "/queues", Admin: admin, Cron: cron, Log: log,
		}),
	}
}

func (d *dashboard) ask(method, path, body string, edits ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/queues/api"+path, strings.NewReader(body))
	r.SetBasicAuth("ada", "secret")

	for _, edit := range edits {
		edit(r)
	}

	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)

	return w
}

// press expects a button to work.
func (d *dashboard) press(method, path, body string) (answer map[string]any) {
	d.t.Helper()

	w := d.ask(method, path, body)
	require.Less(d.t, w.Code, 300, "%s %s: %s", method, path, w.Body)

	if w.Body.Len() > 0 {
		require.NoError(d.t, json.Unmarshal(w.Body.Bytes(), &answer))
	}

	return answer
}

// shown waits until asynq has the task of this push in a state.
func (d *dashboard) shown(id uuid.UUID, epoch int, state asynq.TaskState) (name string) {
	d.t.Helper()

	name = fmt.Sprintf("%s:%d", id, epoch)
	inspector := asynq.NewInspectorFromRedisClient(d.client)

	d.eventually(10*time.Second, func() bool {
		info, err := inspector.GetTaskInfo("tests", name)

		return err == nil && info.State == state
	})

	return name
}

// dies stages a job that is dead afterwards, and in asynq's archive as a worker leaves it.
func (d *dashboard) dies() (id uuid.UUID, name string) {
	d.t.Helper()

	id = d.stage()
	name = d.shown(id, 1, asynq.TaskStatePending)

	_, err := d.pool.Exec(d.t.Context(), `update job set state = 'dead', died_at = now(), attempt = 3 where id = $1`, id)
	require.NoError(d.t, err)
	require.NoError(d.t, asynq.NewInspectorFromRedisClient(d.client).ArchiveTask("tests", name))

	return id, name
}

func (d *dashboard) audited() (rows []string) {
	d.t.Helper()
	require.NoError(d.t, d.pool.QueryRow(d.t.Context(),
		`select coalesce(array_agg(operator || ' ' || action || ' ' || jobs order by id), '{}') from job_audit`).Scan(&rows))

	return rows
}

func (d *dashboard) attempts(id uuid.UUID) (n int) {
	d.t.Helper()
	require.NoError(d.t, d.pool.QueryRow(d.t.Context(), `select attempt from job where id = $1`, id).Scan(&n))

	return n
}

func TestDashboard_RunGivesAllAttempts(t *testing.T) {
	t.Parallel()

	d := newDashboard(t)
	id, name := d.dies()

	d.press(http.MethodPost, "/queues/tests/archived_tasks/"+name+":run", "")
	d.shown(id, 2, asynq.TaskStatePending)
	require.Zero(t, d.attempts(id))
	d.eventually(5*time.Second, func() bool { return d.counts()["archived"] == 0 })
	require.Equal(t, []string{"ada retry 1"}, d.audited())

	// The old task is a leftover: pressing its buttons means nothing to the job.
	d.press(http.MethodDelete, "/queues/tests/archived_tasks/"+name, "")

	state, epoch := d.state(id)
	require.Equal(t, 2, epoch)
	require.NotEqual(t, "dead", state)
	require.Equal(t, []string{"ada retry 1"}, d.audited(), "nor is it being canceled")
}

// TestDashboard_ArchiveThenDelete has a live job canceled, by each of two buttons, before there is
// a worker, and removes it when one has declared it dead.
func TestDashboard_ArchiveThenDelete(t *testing.T) {
	t.Parallel()

	d := newDashboard(t)
	waits, later := d.stage(), d.stage(durable.After(time.Minute))
	name := d.shown(waits, 1, asynq.TaskStatePending)
	laterName := d.shown(later, 1, asynq.TaskStateScheduled)

	d.press(http.MethodPost, "/queues/tests/pending_tasks/"+name+":archive", "")
	d.press(http.MethodDelete, "/queues/tests/scheduled_tasks/"+laterName, "")
	d.shown(waits, 1, asynq.TaskStatePending)
	laterName = d.shown(later, 2, asynq.TaskStatePending)
	require.Equal(t, http.StatusConflict, d.ask(http.MethodDelete, "/queues/tests/pending_tasks/"+laterName, "").Code, "done already")

	d.worker(func(context.Context, *queue.Job[probe]) error {
		t.Error("a canceled job's handler ran")

		return nil
	}, asynqueue.ServerOptions{})

	for id, epoch := range map[uuid.UUID]int{waits: 1, later: 2} {
		name := d.shown(id, epoch, asynq.TaskStateArchived)
		state, _ := d.state(id)
		require.Equal(t, "dead", state)
		d.press(http.MethodDelete, "/queues/tests/archived_tasks/"+name, "")
		d.gone(time.Second, id)
	}

	d.eventually(5*time.Second, func() bool { return len(d.counts()) == 0 })
	require.Equal(t, []string{"ada cancel 1", "ada cancel 1", "ada cancel 1", "ada cancel 1"}, d.audited())
}

func TestDashboard_CancelStopsARunningJob(t *testing.T) {
	t.Parallel()

	d := newDashboard(t)
	started, ended := make(chan uuid.UUID, 1), make(chan error, 1)
	d.worker(func(ctx context.Context, job *queue.Job[probe]) error {
		started <- job.ID

		<-ctx.Done()

		ended <- context.Cause(ctx)

		return nil
	}, asynqueue.ServerOptions{})

	d.stage()

	id := <-started

	d.press(http.MethodPost, "/queues/tests/active_tasks/"+id.String()+":1:cancel", "")
	require.ErrorIs(t, <-ended, queue.ErrCanceled)
	d.eventually(5*time.Second, func() bool { state, _ := d.state(id); return state == "dead" })
	d.eventually(5*time.Second, func() bool { return d.counts()["active"] == 0 })
}

func TestDashboard_Bulk(t *testing.T) {
	t.Parallel()

	d := newDashboard(t)
	first, firstName := d.dies()
	second, secondName := d.dies()

	body := fmt.Sprintf(`{"task_ids":[%q,"stranger"]}`, firstName)
	answer := d.press(http.MethodPost, "/queues/tests/archived_tasks:batch_run", body)
	require.Equal(t, map[string]any{"pending_ids": []any{firstName}, "error_ids": []any{"stranger"}}, answer)
	d.shown(first, 2, asynq.TaskStatePending)

	// asynq's archive has lost the other, Postgres has not.
	require.NoError(t, d.pusher.Forget(t.Context(), []durable.Task{{ID: second, Epoch: 1, Queue: "tests"}}))
	answer = d.press(http.MethodPost, "/queues/tests/archived_tasks:run_all", "")
	require.Equal(t, map[string]any{"scheduled": 1.0}, answer)
	d.shown(second, 2, asynq.TaskStatePending)
	require.NotEmpty(t, secondName)

	answer = d.press(http.MethodDelete, "/queues/tests/pending_tasks:delete_all", "")
	require.Equal(t, map[string]any{"deleted": 2.0}, answer)

	_, stop := d.worker(func(context.Context, *queue.Job[probe]) error { return nil }, asynqueue.ServerOptions{})
	d.eventually(10*time.Second, func() bool { return d.counts()["archived"] == 2 })
	require.NoError(t, stop())

	answer = d.press(http.MethodDelete, "/queues/tests/archived_tasks:delete_all", "")
	require.Equal(t, map[string]any{"deleted": 2.0}, answer)
	d.gone(time.Second, first)
	d.gone(time.Second, second)
	require.Equal(t, []string{"ada retry 1", "ada retry 1", "ada cancel 2", "ada cancel 2"}, d.audited())
}

// TestDashboard_DeletesManyLeftovers that are no jobs any more, in few round trips.
func TestDashboard_DeletesManyLeftovers(t *testing.T) {
	t.Parallel()

	d := newDashboard(t)

	const many = 1000
	for range many {
		require.NoError(t, d.pusher.Push(t.Context(), []durable.Push{push(uuid.New(), 1, time.Hour)}))
	}

	trips := &tripHook{}
	d.client.AddHook(trips)

	answer := d.press(http.MethodDelete, "/queues/tests/scheduled_tasks:delete_all", "")
	require.Equal(t, map[string]any{"deleted": float64(many)}, answer)
	require.Empty(t, d.counts())
	require.Less(t, trips.n.Load(), int64(many/10))
}

// tripHook counts round trips.
type tripHook struct{ n atomic.Int64 }

func (h *tripHook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *tripHook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.n.Add(1)

		return next(ctx, cmd)
	}
}

func (h *tripHook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.n.Add(1)

		return next(ctx, cmds)
	}
}

func TestDashboard_PauseOutlivesRedis(t *testing.T) {
	t.Parallel()

	d := newDashboard(t)
	paused := func() bool {
		info, err := asynq.NewInspectorFromRedisClient(d.client).GetQueueInfo("tests")

		return err == nil && info.Paused
	}

	id := d.stage()
	d.shown(id, 1, asynq.TaskStatePending)
	d.press(http.MethodPost, "/queues/tests:pause", "")
	require.True(t, paused())

	// asynq's own tools, and a Redis that forgot, are put right.
	require.NoError(t, asynq.NewInspectorFromRedisClient(d.client).UnpauseQueue("tests"))
	require.False(t, paused())
	require.NoError(t, d.pauses.Restore(t.Context(), []string{"tests"}))
	require.True(t, paused())

	ran := make(chan struct{}, 1)
	d.worker(func(context.Context, *queue.Job[probe]) error { ran <- struct{}{}; return nil }, asynqueue.ServerOptions{})
	require.Never(t, func() bool { return len(ran) > 0 }, 500*time.Millisecond, 50*time.Millisecond)

	d.press(http.MethodPost, "/queues/tests:resume", "")
	<-ran
	d.gone(5*time.Second, id)

	d.background(d.pauses.Run)
	require.NoError(t, asynq.NewInspectorFromRedisClient(d.client).PauseQueue("tests"))
	d.eventually(10*time.Second, func() bool { return !paused() })
}

func TestDashboard_Refuses(t *testing.T) {
	t.Parallel()

	d := newDashboard(t)
	id := d.stage()
	name := d.shown(id, 1, asynq.TaskStatePending)
	anonymous := func(r *http.Request) { r.Header.Del("Authorization") }
	foreign := func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }

	for _, c := range []struct {
		method, path string
		status       int
		edit         func(*http.Request)
	}{
		{http.MethodDelete, "/queues/tests", http.StatusMethodNotAllowed, nil},
		{http.MethodPost, "/queues/tests:drain", http.StatusMethodNotAllowed, nil},
		{http.MethodPost, "/queues/other:pause", http.StatusNotFound, nil},
		{http.MethodPost, "/queues/tests/completed_tasks:batch_delete", http.StatusMethodNotAllowed, nil},
		{http.MethodPost, "/queues/tests/pending_tasks/" + name + ":explode", http.StatusMethodNotAllowed, nil},
		{http.MethodPost, "/queues/tests/archived_tasks/stranger:run", http.StatusNotFound, nil},
		{http.MethodPost, "/queues/other/archived_tasks/" + name + ":run", http.StatusNotFound, nil},
		{http.MethodPost, "/queues/tests/archived_tasks:batch_run", http.StatusBadRequest, nil},
		{http.MethodPost, "/queues/tests/retry_tasks/" + name + ":run", http.StatusConflict, nil},
		{http.MethodPut, "/nothing", http.StatusMethodNotAllowed, nil},
		{http.MethodPost, "/queues/tests/pending_tasks/" + name + ":archive", http.StatusUnauthorized, anonymous},
		{http.MethodPost, "/queues/tests/pending_tasks/" + name + ":archive", http.StatusForbidden, foreign},
	} {
		edit := c.edit
		if edit == nil {
			edit = func(*http.Request) {}
		}

		w := d.ask(c.method, c.path, "", edit)
		require.Equal(t, c.status, w.Code, "%s %s", c.method, c.path)

		if c.status != http.StatusForbidden {
			require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"), c.path)
		}
	}

	state, _ := d.state(id)
	require.NotEqual(t, "dead", state)
	require.Empty(t, d.audited())
}

func TestDashboard_Looks(t *testing.T) {
	t.Parallel()

	d := newDashboard(t)
	d.shown(d.stage(), 1, asynq.TaskStatePending)

	require.Contains(t, d.ask(http.MethodGet, "/queues", "").Body.String(), `"queue":"tests"`)

	answer := d.press(http.MethodGet, "/scheduler_entries", "")
	entry := answer["entries"].([]any)[0].(map[string]any) //nolint:forcetypeassert // a panic is as good
	require.Equal(t, "0 3 * * *", entry["spec"])
	require.Equal(t, "test.probe", entry["task_type"])

	next, err := time.Parse(time.RFC3339, entry["next_enqueue_at"].(string)) //nolint:forcetypeassert // a panic is as good
	require.NoError(t, err)
	require.True(t, next.After(time.Now()))
	require.Equal(t, map[string]any{"events": []any{}}, d.press(http.MethodGet, "/scheduler_entries/chore/enqueue_events", ""))
}

func TestDashboard_EditsByAsynqsToolsAreRepaired(t *testing.T) {
	t.Parallel()

	d := newDashboardTimed(t, durable.Timing{
		Reconcile: 50 * time.Millisecond, Overdue: 200 * time.Millisecond, AskAgain: 50 * time.Millisecond,
	})
	tool := asynq.NewInspectorFromRedisClient(d.client)
	id := d.stage()

	require.NoError(t, tool.ArchiveTask("tests", d.shown(id, 1, asynq.TaskStatePending)))
	require.NoError(t, tool.DeleteTask("tests", d.shown(id, 2, asynq.TaskStatePending)))
	d.shown(id, 3, asynq.TaskStatePending)
	require.Zero(t, d.attempts(id))
}
