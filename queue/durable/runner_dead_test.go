package durable_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
	"imagerun/queue/durable"
)

func TestRunner_DeadHookIsOneTransactionWithTheDeath(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	task := b.stage()
	b.exec(`update job set attempt = $2 where id = $1`, task.ID, attempts-1)

	var (
		codes     []string
		committed []int // what the hook wanted to be told of once it is true
	)

	broken := errors.New("ledger is closed")
	b.h.handle = func(context.Context, *queue.Job[probe]) error { return errHandler }
	b.h.dead = func(ctx context.Context, tx pgx.Tx, args probe, code string) error {
		codes = append(codes, code)
		_, err := tx.Exec(ctx, `insert into job (id, kind, queue, args) values ($1, 'hook', 'q', '{}')`, args.ID)
		require.NoError(t, err)

		n := len(codes)
		queue.AfterCommit(tx, func() { committed = append(committed, n) })

		if len(codes) == 1 {
			return broken
		}

		return nil
	}

	hooked := func() (n int) {
		require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from job where kind = 'hook'`).Scan(&n))

		return n
	}

	// The hook fails: no death without it, and no attempt beyond the last.
	v := b.runner.Work(t.Context(), task)
	require.Equal(t, durable.Again, v.Do)
	require.False(t, v.Spent)
	require.Equal(t, attempts-1, b.row(task).Attempt)
	require.Equal(t, "retrying", b.row(task).State)
	require.Zero(t, hooked())

	b.exec(`update job set run_at = now() where id = $1`, task.ID)
	require.Equal(t, durable.Verdict{Do: durable.Bury, Code: "error"}, b.runner.Work(t.Context(), task))
	require.Equal(t, "dead", b.row(task).State)
	require.Equal(t, 1, hooked())
	require.Equal(t, []string{"error", "error"}, codes)
	require.Equal(t, []int{2}, committed)
}

func TestRunner_UndecodableIsDead(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	task := b.stage()
	b.exec(`update job set args = '{"id": 7}' where id = $1`, task.ID)
	require.Equal(t, durable.Verdict{Do: durable.Bury, Code: "undecodable"}, b.runner.Work(t.Context(), task))
	require.Equal(t, "undecodable", b.row(task).Code)
}

// TestRunner_FinalErrorsEndTheJob: a code that the policy names as final is a death with the hook.
func TestRunner_FinalErrorsEndTheJob(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	died := ""
	h := &handler{
		handle: func(context.Context, *queue.Job[probe]) error { return errHandler },
		dead: func(_ context.Context, _ pgx.Tx, _ probe, code string) error {
			died = code

			return nil
		},
	}

	for code, verdict := range map[string]durable.Verdict{
		"hopeless": {Do: durable.Bury, Code: "hopeless"},
		"hopeful":  {Do: durable.Again, After: 10 * time.Second, Code: "hopeful", Spent: true},
	} {
		reg := queue.NewRegistry(kinds())
		queue.Register(reg, h)

		died = ""
		runner := durable.NewRunner(b.queue, reg, durable.RunnerOptions{Code: func(error) string { return code }})
		require.Equal(t, verdict, runner.Work(t.Context(), b.stage()))
		require.Equal(t, verdict.Do == durable.Bury, died == code)
	}
}
