package asynqueue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

// The loss marker of a queue is a hash in the hash slot of its tasks: what loses those loses it.
func lossMarkerKey(queue string) string { return "durable:{" + queue + "}:mark" }

// BumpLossMarker implements [durable.Pusher]. It also keeps the list of queues, which is on a node of its own
// in a cluster.
func (p *Pusher) BumpLossMarker(ctx context.Context, queues []string) ([]durable.LossMarker, error) {
	counts := make([]*redis.IntCmd, len(queues))
	said := make([]*redis.SliceCmd, len(queues))

	_, err := p.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, q := range queues {
			counts[i] = pipe.HIncrBy(ctx, lossMarkerKey(q), "count", 1)
			said[i] = pipe.HMGet(ctx, lossMarkerKey(q), "whole", "lost")

			pipe.SAdd(ctx, queuesKey, q)
		}

		return nil
	})

	var markers []durable.LossMarker

	for i, q := range queues {
		if counts[i].Err() != nil || said[i].Err() != nil {
			continue
		}

		lost, _ := said[i].Val()[1].(string)

		markers = append(markers, durable.LossMarker{Queue: q, Count: counts[i].Val(), Complete: said[i].Val()[0] != nil, Lost: parseLost(lost)})
	}

	if len(markers) < len(queues) {
		return markers, fmt.Errorf("count loss markers: %w", err)
	}

	return markers, nil
}

// A time in a marker is in microseconds, which is what Postgres keeps.
func formatLost(at time.Time) string {
	if at.IsZero() {
		return ""
	}

	return strconv.FormatInt(at.UnixMicro(), 10)
}

func parseLost(s string) time.Time {
	us, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{} // none
	}

	return time.UnixMicro(us).UTC()
}

// markLostScript writes only into a marker that says what it said. ARGV: what it said, what to write
var markLostScript = redis.NewScript(`
local said = redis.call("HGET", KEYS[1], "lost") or ""
if said ~= ARGV[1] then return said end
redis.call("HDEL", KEYS[1], "whole")
redis.call("HSET", KEYS[1], "lost", ARGV[2])
return ARGV[2]`)

// MarkLost implements [durable.Pusher].
func (p *Pusher) MarkLost(ctx context.Context, m durable.LossMarker, at time.Time) (time.Time, error) {
	said, err := markLostScript.Run(ctx, p.client, []string{lossMarkerKey(m.Queue)}, formatLost(m.Lost), formatLost(at)).Text()
	if err == nil && said == "" {
		err = errors.New("the loss marker was lost meanwhile")
	}

	if err != nil {
		return time.Time{}, fmt.Errorf("write loss marker of %s: %w", m.Queue, err)
	}

	return parseLost(said), nil
}

// markCompleteScript writes only into a marker of that loss.
var markCompleteScript = redis.NewScript(`
if (redis.call("HGET", KEYS[1], "lost") or "") ~= ARGV[1] then return 0 end
return redis.call("HSET", KEYS[1], "whole", 1)`)

// MarkComplete implements [durable.Pusher].
func (p *Pusher) MarkComplete(ctx context.Context, m durable.LossMarker) error {
	if err := markCompleteScript.Run(ctx, p.client, []string{lossMarkerKey(m.Queue)}, formatLost(m.Lost)).Err(); err != nil {
		return fmt.Errorf("write loss marker of %s: %w", m.Queue, err)
	}

	return nil
}
