package asynqueue

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

// What is here is private to asynq, as asynq 0.26 has it in internal/base and internal/rdb: its keys, and how
// a task moves between them. TestFormat_IsStillAsynqs says when asynq has changed it. Keys of one queue share a hash slot.

func queueKey(queue, what string) string { return "asynq:{" + queue + "}:" + what }
func taskKey(t durable.Task) string      { return queueKey(t.Queue, "t:"+t.Name()) }

// queuesKey is the list of queues that asynq's dashboard and tools go by.
const queuesKey = "asynq:queues"

// takeScript moves tasks from a queue that is not paused to those in hand, and answers with their names. They are
// booked as active a little later ([bookScript]), since most are done before.
//
//	KEYS: pending, paused, active. ARGV: how many
var takeScript = redis.NewScript(`
local names = {}
if redis.call("EXISTS", KEYS[2]) == 1 then return names end
for i = 1, tonumber(ARGV[1]) do
	local name = redis.call("RPOPLPUSH", KEYS[1], KEYS[3])
	if not name then break end
	names[i] = name
end
return names`)

// bookScript has tasks in hand shown as such, with a lease, and answers with asynq's message of each; an empty one
// is of a task that is gone.
//
//	KEYS: lease. ARGV: when the lease ends, prefix of task keys, names
var bookScript = redis.NewScript(`
local messages = {}
for i = 3, #ARGV do
	local key = ARGV[2] .. ARGV[i]
	local message = redis.call("HGET", key, "msg")
	if message then
		redis.call("HSET", key, "state", "active")
		redis.call("HDEL", key, "pending_since")
		redis.call("ZADD", KEYS[1], ARGV[1], ARGV[i])
	end
	messages[#messages + 1] = message or ""
end
return messages`)

// finishScript removes tasks that are done, and counts them. They are the oldest of those in hand, or nearly.
//
//	KEYS: active, lease, count of the day, count. ARGV: prefix of task keys, when the day's count expires, greatest count, names
var finishScript = redis.NewScript(`
local names, keys = {}, {}
for i = 4, #ARGV do
	if redis.call("LREM", KEYS[1], -1, ARGV[i]) == 1 then
		names[#names + 1] = ARGV[i]
		keys[#keys + 1] = ARGV[1] .. ARGV[i]
	end
end
if #names == 0 then return 0 end
redis.call("ZREM", KEYS[2], unpack(names))
redis.call("DEL", unpack(keys))
if redis.call("INCRBY", KEYS[3], #names) == #names then redis.call("EXPIREAT", KEYS[3], ARGV[2]) end
if tonumber(redis.call("GET", KEYS[4]) or 0) >= tonumber(ARGV[3]) then
	redis.call("SET", KEYS[4], 1)
else
	redis.call("INCRBY", KEYS[4], #names)
end
return #names`)

// putBackScript has tasks in hand be the next that are taken, those of one call in the order in which they were.
//
//	KEYS: pending, active, lease. ARGV: prefix of task keys, names
var putBackScript = redis.NewScript(`
for i = #ARGV, 2, -1 do
	if redis.call("LREM", KEYS[2], 0, ARGV[i]) == 1 then
		redis.call("ZREM", KEYS[3], ARGV[i])
		if redis.call("EXISTS", ARGV[1] .. ARGV[i]) == 1 then redis.call("HSET", ARGV[1] .. ARGV[i], "state", "pending") end
		redis.call("RPUSH", KEYS[1], ARGV[i])
	end
end
return 1`)

// forgetScript removes a task wherever it is, but not from the pending list, which it would have to
// walk: there it comes to a worker soon, as a duplicate. One in hand may still be called pending.
//
//	KEYS: task, active, lease, retry, scheduled, archived. ARGV: name
var forgetScript = redis.NewScript(`
local taken = redis.call("LREM", KEYS[2], 0, ARGV[1])
redis.call("ZREM", KEYS[3], ARGV[1])
local state = redis.call("HGET", KEYS[1], "state")
if not state or (state == "pending" and taken == 0) then return 0 end
redis.call("ZREM", KEYS[4], ARGV[1])
redis.call("ZREM", KEYS[5], ARGV[1])
redis.call("ZREM", KEYS[6], ARGV[1])
return redis.call("DEL", KEYS[1])`)

func forgetKeys(t durable.Task) []string {
	return []string{
		taskKey(t), queueKey(t.Queue, "active"), queueKey(t.Queue, "lease"),
		queueKey(t.Queue, "retry"), queueKey(t.Queue, "scheduled"), queueKey(t.Queue, "archived"),
	}
}

// trimScript removes the oldest of an archive, a batch at a time, with what they consist of.
//
//	KEYS: archived. ARGV: prefix of task keys, how many stay
var trimScript = redis.NewScript(`
local old = redis.call("ZRANGE", KEYS[1], 0, -1 - tonumber(ARGV[2]))
for i = 1, math.min(#old, 500) do
	redis.call("DEL", ARGV[1] .. old[i])
	redis.call("ZREM", KEYS[1], old[i])
end
return #old`)

// asksForTask recognises the script by which asynq's servers take a task: its keys are the pending
// list, the pause mark, the active list and the leases of a queue.
func asksForTask(keys []string) (queue string, asks bool) {
	if len(keys) != 4 || !strings.HasSuffix(keys[0], "}:pending") || !strings.HasSuffix(keys[1], "}:paused") {
		return "", false
	}

	return strings.TrimSuffix(strings.TrimPrefix(keys[0], "asynq:{"), "}:pending"), true
}

// scriptCall is a script that asynq would have Redis run.
type scriptCall struct {
	sha1, source string
	keys         []string
	args         []any
}

type scriptCallKey struct{}

// recorder is the Redis client of an asynq client: it sends nothing, and writes the script by which asynq
// pushes a task into the [scriptCall] of the context. So asynq encodes the task, and we send many at once.
type recorder struct{ redis.UniversalClient }

// EvalSha implements redis.Scripter: it does not have the script, so that asynq says its text.
func (recorder) EvalSha(ctx context.Context, sha1 string, _ []string, _ ...any) *redis.Cmd {
	call := ctx.Value(scriptCallKey{}).(*scriptCall) //nolint:forcetypeassert // Push put it there
	call.sha1 = sha1

	cmd := redis.NewCmd(ctx)
	cmd.SetErr(noScriptError{})

	return cmd
}

// Eval implements redis.Scripter. 1 says that the task was pushed.
func (recorder) Eval(ctx context.Context, source string, keys []string, args ...any) *redis.Cmd {
	call := ctx.Value(scriptCallKey{}).(*scriptCall) //nolint:forcetypeassert // Push put it there
	call.source, call.keys, call.args = source, keys, args

	cmd := redis.NewCmd(ctx)
	cmd.SetVal(int64(1))

	return cmd
}

// SAdd implements redis.SetCmdable. asynq writes the list of queues when a process pushes to a queue for the
// first time; [Pusher.Beat] does that, since in a cluster the node for that list may be away.
func (recorder) SAdd(ctx context.Context, _ string, _ ...any) *redis.IntCmd {
	return redis.NewIntCmd(ctx)
}

// noScriptError is Redis's answer to a script that it does not have.
type noScriptError struct{}

func (noScriptError) Error() string { return "NOSCRIPT no matching script" }

// RedisError implements redis.Error.
func (noScriptError) RedisError() {}
