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

// beyond is by how much asynq's own timeout exceeds ours. asynq gives the slot of a handler that
// overran away while the handler still runs; ours is waited for.
const beyond = 24 * time.Hour

// Pusher hands tasks to asynq. It implements [durable.Pusher].
type Pusher struct {
	client redis.UniversalClient
	asynq  *asynq.Client
}

// NewPusher returns a pusher over client, which stays the caller's to close.
func NewPusher(client redis.UniversalClient) *Pusher {
	return &Pusher{client: client, asynq: asynq.NewClientFromRedisClient(&pipe{UniversalClient: listless{client}})}
}

// Push implements [durable.Pusher].
func (p *Pusher) Push(ctx context.Context, push durable.Push) error {
	_, err := p.asynq.EnqueueContext(ctx, asynq.NewTask(push.Kind, nil),
		asynq.TaskID(push.Name()),
		asynq.Queue(push.Queue),
		asynq.MaxRetry(math.MaxInt32), // Postgres counts attempts; asynq archives "not now" on its last
		asynq.Timeout(push.Timeout+beyond),
		asynq.ProcessAt(push.RunAt),
	)

	// Pushed before, or by this very call: go-redis sends a command again when the reply is lost.
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return nil
	}

	if err != nil {
		return fmt.Errorf("enqueue %s: %w", push.Kind, err)
	}

	return nil
}

// forget removes a task wherever it is, but not from the pending list, which it would have to
// walk: there it comes to a worker soon, as a duplicate.
var forget = redis.NewScript(`
local state = redis.call("HGET", KEYS[1], "state")
if not state or state == "pending" then return 0 end
if state == "active" then
	redis.call("LREM", KEYS[2], 0, ARGV[1])
	redis.call("ZREM", KEYS[3], ARGV[1])
else
	redis.call("ZREM", KEYS[4], ARGV[1])
	redis.call("ZREM", KEYS[5], ARGV[1])
	redis.call("ZREM", KEYS[6], ARGV[1])
end
return redis.call("DEL", KEYS[1])`)

// Forget implements [durable.Pusher].
func (p *Pusher) Forget(ctx context.Context, t durable.Task) error {
	if err := forget.Run(ctx, p.client, forgetKeys(t), t.Name()).Err(); err != nil {
		return fmt.Errorf("forget task: %w", err)
	}

	return nil
}

// forgetAll is Forget for many, a few hundred in each round trip.
func (p *Pusher) forgetAll(ctx context.Context, tasks []durable.Task) error {
	for batch := range slices.Chunk(tasks, pipeMost) {
		_, err := p.client.Pipelined(ctx, func(line redis.Pipeliner) error {
			for _, t := range batch {
				forget.Eval(ctx, line, forgetKeys(t), t.Name()) // by its text: Redis may not have it yet
			}

			return nil
		})
		if err != nil {
			return fmt.Errorf("forget tasks: %w", err)
		}
	}

	return nil
}

func forgetKeys(t durable.Task) []string {
	return []string{
		taskKey(t), queueKey(t.Queue, "active"), queueKey(t.Queue, "lease"),
		queueKey(t.Queue, "retry"), queueKey(t.Queue, "scheduled"), queueKey(t.Queue, "archived"),
	}
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

// asynq's keys, as asynq 0.26 has them in internal/base. Those of one queue share a hash slot.
func queueKey(queue, what string) string { return "asynq:{" + queue + "}:" + what }
func taskKey(t durable.Task) string      { return queueKey(t.Queue, "t:"+t.Name()) }
