package asynqueue_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// What asynq 0.26 does wrong when Redis is unwell, and that the promises hold all the same, with
// exact counts of runs and effects.

// tally is a handler that counts its runs and its effects.
type tally struct{ runs, effects atomic.Int64 }

func (c *tally) handle(s *system) handler {
	return func(ctx context.Context, job *queue.Job[probe]) error {
		c.runs.Add(1)

		return c.effect(ctx, s, job)
	}
}

func (c *tally) effect(ctx context.Context, s *system, job *queue.Job[probe]) error {
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return job.Complete(ctx, tx) })
	if err == nil {
		c.effects.Add(1)
	}

	return err
}

func (c *tally) is(t *testing.T, runs, effects int64) {
	t.Helper()
	require.Equal(t, []int64{runs, effects}, []int64{c.runs.Load(), c.effects.Load()}, "runs and effects")
}

// losing has the first replies to one of asynq's scripts, known by the ends of its first two keys, get lost.
type losing struct {
	first, second string
	resend        bool // go-redis sends the command again; else the caller hears of a broken pipe
	after         bool // Redis did what it was asked for
	left          atomic.Int32
}

func (l *losing) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (l *losing) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if !slices.ContainsFunc(cmds, l.meant) {
			return next(ctx, cmds)
		}

		if l.after {
			if err := next(ctx, cmds); err != nil { // a script that is not loaded
				return err
			}
		}

		if l.left.Add(-1) < 0 {
			if l.after {
				return nil
			}

			return next(ctx, cmds)
		}

		if l.resend {
			return next(ctx, cmds)
		}

		err := errors.New("broken pipe")
		for _, cmd := range cmds {
			cmd.SetErr(err)
		}

		return err
	}
}

func (l *losing) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if !l.meant(cmd) {
			return next(ctx, cmd)
		}

		if l.after {
			if err := next(ctx, cmd); err != nil { // an empty queue, or a script that is not loaded
				return err
			}
		}

		if l.left.Add(-1) < 0 {
			if l.after {
				return nil
			}

			return next(ctx, cmd)
		}

		if l.resend {
			return next(ctx, cmd)
		}

		err := errors.New("broken pipe")
		cmd.SetErr(err)

		return err
	}
}

func (l *losing) meant(cmd redis.Cmder) bool {
	args := cmd.Args()
	if cmd.Name() == "blmove" {
		return l.first == cmd.Name()
	}

	if len(args) < 5 || !strings.HasPrefix(cmd.Name(), "eval") {
		return false
	}

	first, _ := args[3].(string)
	second, _ := args[4].(string)

	return strings.Contains(first, l.first) && strings.HasSuffix(second, l.second)
}

func TestDefect_LostReplies(t *testing.T) {
	t.Parallel()

	for name, l := range map[string]*losing{
		// asynq would run the job again two minutes later.
		"Acknowledgement":        {first: ":active", second: ":lease"},
		"AcknowledgementWritten": {first: ":active", second: ":lease", after: true},
		// asynq's task would stay with a worker that never heard of it.
		"Dequeue":            {first: ":pending", second: ":paused", after: true, resend: true},
		"GivenWithoutAsking": {first: "blmove", after: true, resend: true},
		// asynq would say that the id is taken, although it took the task.
		"Enqueue": {first: ":t:", second: ":pending", after: true, resend: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			s := setup(t, devtest.Redis(t), durable.Timing{Reconcile: 300 * time.Millisecond})
			l.left.Store(3)
			s.client.AddHook(l)
			s.background(s.queue.Maintain)

			var c tally

			s.worker(c.handle(s), asynqueue.ServerOptions{})

			jobs := int64(0)

			// One reply may speak of several jobs. When these are through, others come, until three
			// replies were lost and one was not.
			for jobs == 0 || l.left.Load() >= 0 {
				ids := make([]uuid.UUID, 10)
				for i := range ids {
					ids[i] = s.stage()
				}

				for _, id := range ids {
					s.gone(20*time.Second, id)
				}

				s.eventually(10*time.Second, func() bool { return len(s.counts()) == 0 })

				jobs += int64(len(ids))
			}

			c.is(t, jobs, jobs)
		})
	}
}

// TestDefect_ProveRedisStall stops Redis for longer than asynq's lease (30 s, in the long form)
// under a running handler. asynq would end the handler's context and run the job again.
func TestDefect_ProveRedisStall(t *testing.T) {
	t.Parallel()

	stall := 5 * time.Second
	if proving() {
		stall = 40 * time.Second
	}

	own := devtest.OwnRedis(t)
	s := setup(t, own.URL, durable.Timing{})
	s.background(s.queue.Maintain)

	var c tally

	started, goOn := make(chan struct{}, 1), make(chan struct{})
	cause := make(chan error, 1)

	s.worker(func(ctx context.Context, job *queue.Job[probe]) error {
		c.runs.Add(1)

		started <- struct{}{}
		<-goOn

		cause <- context.Cause(ctx)

		return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
			c.effects.Add(1)

			return job.Complete(ctx, tx)
		})
	}, asynqueue.ServerOptions{})

	id := s.stage()
	<-started
	own.Pause()
	<-time.After(stall)

	state, _ := s.state(id)
	require.Equal(t, "running", state)
	own.Continue()
	<-time.After(2 * time.Second) // for asynq to notice
	close(goOn)
	require.NoError(t, <-cause)
	s.gone(5*time.Second, id)
	s.eventually(40*time.Second, func() bool { return len(s.counts()) == 0 })
	c.is(t, 1, 1)
}

// TestDefect_Cancel has somebody cancel a running task with asynq's tools. asynq would end the
// handler's context, free its slot and bring the task back.
func TestDefect_Cancel(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	s.maintain()

	var c tally

	started, goOn := make(chan struct{}, 1), make(chan struct{})

	s.worker(func(ctx context.Context, job *queue.Job[probe]) error {
		c.runs.Add(1)

		started <- struct{}{}
		<-goOn

		return c.effect(ctx, s, job)
	}, asynqueue.ServerOptions{})

	id := s.stage()
	<-started

	inspector := asynq.NewInspectorFromRedisClient(s.client)
	s.eventually(20*time.Second, func() bool {
		// More than once: an asynq that has not subscribed yet does not hear of it.
		if inspector.CancelProcessing(id.String()+":1") != nil {
			return false
		}

		n := s.counts()

		return n["retry"] == 1 || n["active"] == 0
	})
	close(goOn)
	s.gone(5*time.Second, id)
	s.eventually(10*time.Second, func() bool { return len(s.counts()) == 0 })
	c.is(t, 1, 1)
}

// TestDefect_ArchiveOverflow buries more jobs than asynq's archive holds: it drops the oldest and
// says nothing. The dead jobs are all in Postgres.
func TestDefect_ArchiveOverflow(t *testing.T) {
	t.Parallel()

	s := setup(t, devtest.Redis(t), durable.Timing{})
	s.worker(func(context.Context, *queue.Job[probe]) error {
		return queue.Cancel(errors.New("no use"))
	}, asynqueue.ServerOptions{})

	dead := func(id uuid.UUID) func() bool {
		return func() bool { state, _ := s.state(id); return state == "dead" }
	}
	archived := func(id uuid.UUID) bool {
		return s.client.ZScore(t.Context(), "asynq:{tests}:archived", id.String()+":1").Err() == nil
	}

	first := s.stage()
	s.eventually(10*time.Second, func() bool { return dead(first)() && archived(first) })

	others := make([]redis.Z, 10_000)
	for i := range others {
		others[i] = redis.Z{Score: float64(time.Now().Unix() + 1), Member: "other" + strconv.Itoa(i)}
	}

	require.NoError(t, s.client.ZAdd(t.Context(), "asynq:{tests}:archived", others...).Err())

	last := s.stage()
	s.eventually(10*time.Second, func() bool { return dead(last)() && !archived(first) })
	require.True(t, dead(first)(), "an operator still finds it")
}
