package queuetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

type first struct {
	ID uuid.UUID `json:"id"`
}

func (first) Kind() string { return "test.first" }

type second struct {
	ID uuid.UUID `json:"id"`
}

func (second) Kind() string { return "test.second" }

type third struct {
	ID uuid.UUID `json:"id"`
}

func (third) Kind() string { return "test.third" }

func policy(args queue.Args) queue.Policy {
	return queue.Policy{
		Args: args, Queue: "tests", Attempts: 10, Timeout: time.Minute,
		Backoff: queue.Backoff{First: 2 * time.Second, Max: time.Minute, Factor: 2}, Final: []string{}, Snooze: 10 * time.Second,
	}
}

func TestJobs(t *testing.T) {
	t.Parallel()

	ctx := t.Context()
	pool := devtest.Postgres(t)
	reg := queue.NewRegistry(queue.NewKinds(policy(first{}), policy(second{}), policy(third{})))
	jobs := queuetest.New(t, pool, reg)

	stage := func(args queue.Args, opts ...durable.StageOption) {
		t.Helper()
		require.NoError(t, postgres.InTx(ctx, pool, func(tx *postgres.Tx) error {
			_, err := jobs.Queue().Stage(ctx, tx, args, opts...)

			return err
		}))
	}

	var seen []string

	queue.Register(reg, queue.HandlerFunc[first](
		func(ctx context.Context, job *queue.Job[first]) error {
			seen = append(seen, "submit")

			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				_, err := jobs.Queue().Stage(ctx, tx, second{ID: job.Args.ID},
					durable.After(30*time.Second), durable.Key("collect:"+job.Args.ID.String()))
				if err != nil {
					return err
				}

				return job.Complete(ctx, tx)
			})
		}))
	queue.Register(reg, queue.HandlerFunc[second](
		func(_ context.Context, job *queue.Job[second]) error {
			seen = append(seen, "collect")

			if job.Attempt == 1 {
				return errors.New("not yet")
			}

			return nil
		}))

	id := uuid.New()
	stage(first{ID: id})
	stage(third{ID: id}) // has no handler here
	require.Equal(t, id, queuetest.Require[first](jobs).ID)

	require.Equal(t, 1, jobs.RunAll(ctx))
	require.Equal(t, []string{"submit"}, seen)

	pending := jobs.Pending()
	require.Len(t, pending, 2)
	require.Equal(t, "test.second", pending[1].Kind)
	require.Equal(t, "collect:"+id.String(), pending[1].Key)
	require.InDelta(t, 30, pending[1].DueIn.Seconds(), 5)

	require.False(t, jobs.RunNext(ctx))
	jobs.Advance(30 * time.Second)
	require.True(t, jobs.RunNext(ctx))

	pending = jobs.Pending()
	require.Equal(t, "retrying", pending[1].State)
	require.Equal(t, "error", pending[1].ErrorCode)
	require.Equal(t, 1, pending[1].Attempt)

	require.False(t, jobs.RunNext(ctx))
	require.True(t, jobs.RunNextEarly(ctx))
	require.Equal(t, []string{"submit", "collect", "collect"}, seen)
	require.Len(t, jobs.Pending(), 1)
	require.Empty(t, jobs.Dead())
}
