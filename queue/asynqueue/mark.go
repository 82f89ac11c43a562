package asynqueue

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

// The mark of a queue is a hash in the hash slot of its tasks: what loses those loses it.
func markKey(queue string) string { return "durable:{" + queue + "}:mark" }

// Beat implements [durable.Pusher]. It also keeps the list of queues, which is on a node of its own
// in a cluster.
func (p *Pusher) Beat(ctx context.Context, queues []string) ([]durable.Mark, error) {
	counts := make([]*redis.IntCmd, len(queues))
	wholes := make([]*redis.StringCmd, len(queues))

	_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, q := range queues {
			counts[i] = pipe.HIncrBy(ctx, markKey(q), "count", 1)
			wholes[i] = pipe.HGet(ctx, markKey(q), "whole")

			pipe.SAdd(ctx, queuesKey, q)
		}

		return nil
	})

	var marks []durable.Mark

	for i, q := range queues {
		if counts[i].Err() != nil || (wholes[i].Err() != nil && !errors.Is(wholes[i].Err(), redis.Nil)) {
			continue
		}

		marks = append(marks, durable.Mark{Queue: q, Count: counts[i].Val(), Whole: wholes[i].Val() != ""})
	}

	if len(marks) < len(queues) {
		return marks, fmt.Errorf("count marks: %w", err)
	}

	return marks, nil
}

// whole is written only to a mark that still counts as it did.
var whole = redis.NewScript(`
if tonumber(redis.call("HGET", KEYS[1], "count") or 0) < tonumber(ARGV[1]) then return 0 end
return redis.call("HSET", KEYS[1], "whole", 1)`)

// Whole implements [durable.Pusher].
func (p *Pusher) Whole(ctx context.Context, m durable.Mark) error {
	if err := whole.Run(ctx, p.client, []string{markKey(m.Queue)}, m.Count).Err(); err != nil {
		return fmt.Errorf("mark %s: %w", m.Queue, err)
	}

	return nil
}
