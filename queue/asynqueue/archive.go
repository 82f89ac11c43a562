package asynqueue

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

// keepArchived is how many dead tasks of a queue the dashboard can show. All dead jobs are in
// Postgres. asynq would keep 10,000, and fails to archive at all once too many have expired.
const keepArchived = 1000

// bury does what asynq does with a task that failed for good.
var bury = redis.NewScript(`
if redis.call("HGET", KEYS[1], "state") ~= "active" then return 0 end
redis.call("LREM", KEYS[2], 0, ARGV[1])
redis.call("ZREM", KEYS[3], ARGV[1])
redis.call("ZADD", KEYS[4], ARGV[2], ARGV[1])
redis.call("HSET", KEYS[1], "state", "archived")
return 1`)

// Bury implements [durable.Pusher].
func (p *Pusher) Bury(ctx context.Context, t durable.Task) error {
	keys := []string{taskKey(t), queueKey(t.Queue, "active"), queueKey(t.Queue, "lease"), queueKey(t.Queue, "archived")}

	n, err := bury.Run(ctx, p.client, keys, t.Name(), time.Now().Unix()).Int()
	if err != nil {
		return fmt.Errorf("bury task: %w", err)
	}

	if n == 0 {
		return p.Forget(ctx, t)
	}

	return nil
}

// trim removes the oldest of an archive, a batch at a time, with what they consist of.
var trim = redis.NewScript(`
local old = redis.call("ZRANGE", KEYS[1], 0, -1 - tonumber(ARGV[2]))
for i = 1, math.min(#old, 500) do
	redis.call("DEL", ARGV[1] .. old[i])
	redis.call("ZREM", KEYS[1], old[i])
end
return #old`)

// Tidy implements [durable.Pusher].
func (p *Pusher) Tidy(ctx context.Context, queues []string) (err error) {
	for _, q := range queues {
		if e := trim.Run(ctx, p.client, []string{queueKey(q, "archived")}, queueKey(q, "t:"), keepArchived).Err(); e != nil {
			err = fmt.Errorf("trim archive of %s: %w", q, e) // the others are trimmed all the same
		}
	}

	return err
}
