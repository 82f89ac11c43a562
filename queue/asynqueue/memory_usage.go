package asynqueue

import (
	"context"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// memoryScript measures what the tasks of a queue are listed in, and a few tasks of each list for all of
// them: ours are names alone and take much the same. asynq's own script measures twenty of each at
// every scrape, and gives up when a task that is listed is gone.
var memoryScript = redis.NewScript(`
local total = 0
for i = 1, 6 do
	local n, ids
	if i <= 2 then
		n, ids = redis.call("LLEN", KEYS[i]), redis.call("LRANGE", KEYS[i], 0, 4)
	else
		n, ids = redis.call("ZCARD", KEYS[i]), redis.call("ZRANGE", KEYS[i], 0, 4)
	end
	local sample = 0
	for _, id in ipairs(ids) do
		sample = sample + (redis.call("MEMORY", "USAGE", ARGV[1] .. id) or 0)
	end
	if #ids > 0 then total = total + sample / #ids * n end
	total = total + (redis.call("MEMORY", "USAGE", KEYS[i]) or 0)
end
return math.floor(total)`)

// measureMemory returns roughly how many bytes of Redis a queue takes, as of half a minute ago at most.
func (c *collector) measureMemory(ctx context.Context, queue string) (float64, error) {
	c.mu.Lock()
	w, ok := c.memory[queue]
	c.mu.Unlock()

	if ok && time.Since(w.at) < memoryEvery {
		return w.bytes, nil
	}

	var keys []string
	for _, state := range states {
		keys = append(keys, queueKey(queue, state))
	}

	bytes, err := memoryScript.Run(ctx, c.client, keys, queueKey(queue, "t:")).Int64()
	if err != nil {
		return 0, err
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	c.memory[queue] = memoryUsage{float64(bytes), time.Now()}

	return float64(bytes), nil
}

// parseMeasures reads what [measureScript] answers.
func parseMeasures(reply []any) (found [10]float64, ok bool) {
	if len(reply) != len(found) {
		return found, false
	}

	for i, v := range reply {
		switch v := v.(type) {
		case int64:
			found[i] = float64(v)
		case string:
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil && v != "" {
				return found, false
			}

			found[i] = float64(n)
		default:
			return found, false
		}
	}

	return found, true
}
