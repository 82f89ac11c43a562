package asynqueue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

// timeoutMargin is by how much asynq's own timeout exceeds ours. asynq gives the slot of a handler that
// overran away while the handler still runs; ours is waited for.
const timeoutMargin = 24 * time.Hour

// maxForget is how many tasks are forgotten in one round trip.
const maxForget = 200

// Pusher hands tasks to asynq. It implements [durable.Pusher].
type Pusher struct {
	client redis.UniversalClient
	asynq  *asynq.Client
}

// NewPusher returns a pusher over client, which stays the caller's to close.
func NewPusher(client redis.UniversalClient) *Pusher {
	return &Pusher{client: client, asynq: asynq.NewClientFromRedisClient(recorder{client})}
}

// Push implements [durable.Pusher]: all in one round trip. One that is there already was pushed before, or
// by this very call: go-redis sends a command again when the reply is lost.
func (p *Pusher) Push(ctx context.Context, ps []durable.Push) error {
	calls := make([]scriptCall, len(ps))

	for i, push := range ps {
		_, err := p.asynq.EnqueueContext(context.WithValue(ctx, scriptCallKey{}, &calls[i]), asynq.NewTask(push.Kind, nil),
			asynq.TaskID(push.Name()),
			asynq.Queue(push.Queue),
			asynq.MaxRetry(math.MaxInt32), // Postgres counts attempts; asynq archives "not now" on its last
			asynq.Timeout(push.Timeout+timeoutMargin),
			asynq.ProcessAt(push.RunAt),
		)
		if err != nil {
			return fmt.Errorf("encode %s: %w", push.Kind, err)
		}
	}

	unknown, err := p.evalAll(ctx, calls, func(line redis.Pipeliner, c scriptCall) {
		line.EvalSha(ctx, c.sha1, c.keys, c.args...)
	})
	if err == nil && len(unknown) > 0 {
		unknown, err = p.evalAll(ctx, unknown, func(line redis.Pipeliner, c scriptCall) {
			line.Eval(ctx, c.source, c.keys, c.args...)
		})
	}

	if err == nil && len(unknown) > 0 {
		err = errors.New("redis forgets scripts at once")
	}

	if err != nil {
		return fmt.Errorf("push tasks: %w", err)
	}

	return nil
}

// evalAll has Redis run scripts, and returns those that it did not have.
func (p *Pusher) evalAll(ctx context.Context, calls []scriptCall, eval func(redis.Pipeliner, scriptCall)) (unknown []scriptCall, err error) {
	line := p.client.Pipeline()
	for _, c := range calls {
		eval(line, c)
	}

	answers, _ := line.Exec(ctx) // each command has its own error

	for i, a := range answers {
		switch e := a.Err(); {
		case e == nil:
		case redis.HasErrorPrefix(e, "NOSCRIPT"):
			unknown = append(unknown, calls[i])
		default:
			return nil, e
		}
	}

	return unknown, nil
}

// Forget implements [durable.Pusher], a few hundred in each round trip.
func (p *Pusher) Forget(ctx context.Context, tasks []durable.Task) error {
	for batch := range slices.Chunk(tasks, maxForget) {
		_, err := p.client.Pipelined(ctx, func(line redis.Pipeliner) error {
			for _, t := range batch {
				forgetScript.Eval(ctx, line, forgetKeys(t), t.Name()) // by its text: Redis may not have it yet
			}

			return nil
		})
		if err != nil {
			return fmt.Errorf("forget tasks: %w", err)
		}
	}

	return nil
}

// Active implements [durable.Pusher]. Tasks that are not ours are left out.
func (p *Pusher) Active(ctx context.Context, queues []string) ([]durable.Task, error) {
	lists := make([]*redis.StringSliceCmd, len(queues))

	_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, q := range queues {
			lists[i] = pipe.LRange(ctx, queueKey(q, "active"), 0, -1)
		}

		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list active tasks: %w", err)
	}

	var tasks []durable.Task

	for i, list := range lists {
		for _, name := range list.Val() {
			id, epoch, err := durable.ParseName(name)
			if err == nil {
				tasks = append(tasks, durable.Task{ID: id, Epoch: epoch, Queue: queues[i]})
			}
		}
	}

	return tasks, nil
}

// Alive implements [durable.Pusher].
func (p *Pusher) Alive(ctx context.Context, tasks []durable.Task) ([]bool, error) {
	states := make([]*redis.StringCmd, len(tasks))

	_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, t := range tasks {
			states[i] = pipe.HGet(ctx, taskKey(t), "state")
		}

		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("ask for tasks: %w", err)
	}

	alive := make([]bool, len(tasks))

	for i, s := range states {
		switch s.Val() {
		case "pending", "active", "scheduled", "retry":
			alive[i] = true
		default: // absent, or archived, where nothing happens any more
		}
	}

	return alive, nil
}

// Count is how many tasks of a queue are in one of asynq's states.
type Count struct {
	Queue string
	State string // pending, active, scheduled, retry or archived
	N     int64
}

// Counts returns the size of every state of every given queue, zeros too. With an error come the
// counts of the queues that answered.
func (p *Pusher) Counts(ctx context.Context, queues []string) ([]Count, error) {
	var (
		counts []Count
		sizes  []*redis.IntCmd
	)

	_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, q := range queues {
			for _, state := range []string{"pending", "active", "scheduled", "retry", "archived"} {
				counts = append(counts, Count{Queue: q, State: state})

				if key := queueKey(q, state); state == "pending" || state == "active" {
					sizes = append(sizes, pipe.LLen(ctx, key))
				} else {
					sizes = append(sizes, pipe.ZCard(ctx, key))
				}
			}
		}

		return nil
	})

	known := counts[:0]

	for i, c := range counts {
		if sizes[i].Err() == nil {
			c.N = sizes[i].Val()
			known = append(known, c)
		}
	}

	if err != nil {
		return known, fmt.Errorf("count tasks: %w", err)
	}

	return known, nil
}
