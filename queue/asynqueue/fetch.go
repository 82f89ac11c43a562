package asynqueue

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/internal/seldom"
)

// fetcher is the Redis client of one asynq server. Where asynq asks for one task, it takes as many
// as the server has free slots, and gives asynq the others when it asks again, which it does at
// once; and where asynq would ask an empty Redis again and again, it waits to be woken by a push.
// A wake-up that is lost costs no more than the pause. A queue that Redis refuses, as when the node
// of a cluster that has it is away, is an empty one for a while: the others go on.
//
// asynq's processor asks from one goroutine, and nobody else does: but for the marked fields, all
// belong to it.
type fetcher struct {
	redis.UniversalClient

	log    *slog.Logger
	seldom seldom.Gate

	pipe   *pipe          // for all scripts but that one
	queues map[string]int // of the server, with their weights
	slots  int            // of the server
	pause  time.Duration  // between two looks when nobody wakes it

	stock  []fetched // taken from Redis, and not yet asked for
	from   string    // the pending list that the stock was taken from
	empty  int       // queues that were found empty, one after the other
	weight int       // of all queues

	refused map[string]refusal // queues that could not be looked at the last time, by pending list

	inHand atomic.Int64  // tasks given to asynq whose handlers have not returned: any goroutine
	wakes  chan struct{} // capacity 1: one that comes while nobody waits is not lost
	quit   chan struct{} // closed: no task any more
}

// fetched is a task that Redis gave away.
type fetched struct{ name, msg string }

// refusal is of a queue that could not be looked at.
type refusal struct {
	times int       // one after the other
	until time.Time // it is left alone
}

func newFetcher(client redis.UniversalClient, p *pipe, g Group, slots int, log *slog.Logger) *fetcher {
	f := &fetcher{
		UniversalClient: client, pipe: p, queues: g.Queues, slots: slots, pause: slowPause, log: log,
		refused: map[string]refusal{}, wakes: make(chan struct{}, 1), quit: make(chan struct{}),
	}

	if g.Latency {
		f.pause = quickPause
	}

	for _, w := range g.Queues {
		f.weight += w
	}

	return f
}

// fetch is asynq's script that takes a task, for several: it answers with the names of the tasks
// and their messages in turn.
var fetch = redis.NewScript(`
if redis.call("EXISTS", KEYS[2]) == 1 then return false end
local tasks = {}
for i = 1, tonumber(ARGV[3]) do
	local id = redis.call("RPOPLPUSH", KEYS[1], KEYS[3])
	if not id then break end
	local key = ARGV[2] .. id
	redis.call("HSET", key, "state", "active")
	redis.call("HDEL", key, "pending_since")
	redis.call("ZADD", KEYS[4], ARGV[1], id)
	tasks[#tasks + 1] = id
	tasks[#tasks + 1] = redis.call("HGET", key, "msg") or ""
end
if #tasks == 0 then return false end
return tasks`)

// EvalSha implements redis.Scripter.
func (f *fetcher) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	if !takesTask(keys) {
		return f.pipe.EvalSha(ctx, sha1, keys, args...)
	}

	cmd := redis.NewCmd(ctx)

	if task, err := f.next(ctx, keys, args); err != nil {
		cmd.SetErr(err)
	} else {
		cmd.SetVal(task)
	}

	return cmd
}

// next returns the message of a task of the queue whose keys these are, or redis.Nil.
func (f *fetcher) next(ctx context.Context, keys []string, args []any) (string, error) {
	if len(f.stock) == 0 {
		if !f.await() {
			return "", redis.Nil
		}

		if err := f.fetch(ctx, keys, args); err != nil {
			return "", err
		}
	}

	// asynq goes on to its other queues, and comes to that of the stock.
	if f.from != keys[0] {
		return "", redis.Nil
	}

	task := f.stock[0]
	f.stock = f.stock[1:]
	f.inHand.Add(1)

	return task.msg, nil
}

// fetch fills the stock from one queue, or returns redis.Nil.
func (f *fetcher) fetch(ctx context.Context, keys []string, args []any) error {
	if time.Now().Before(f.refused[keys[0]].until) {
		f.empty++

		return redis.Nil
	}

	ctx, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()

	reply, err := fetch.Run(ctx, f.UniversalClient, keys, append(args[:2:2], f.room(keys[0]))...).StringSlice()
	if err != nil && err != redis.Nil { //nolint:errorlint // go-redis returns the value itself
		f.refuse(ctx, keys[0], err)
		f.empty++

		return redis.Nil
	}

	delete(f.refused, keys[0])

	if err != nil {
		f.empty++

		return err
	}

	f.empty = 0
	f.from, f.stock = keys[0], f.stock[:0]

	for i := 0; i+1 < len(reply); i += 2 {
		f.stock = append(f.stock, fetched{reply[i], reply[i+1]})
	}

	return nil
}

// refuse leaves a queue alone for a tenth of a second and, while that does not help, for up to two
// seconds. Told of an error, asynq would ask again at once: a Redis out of memory got 18,000
// commands a second from one idle worker.
func (f *fetcher) refuse(ctx context.Context, pending string, err error) {
	r := f.refused[pending]
	r.times++

	wait := 50 * time.Millisecond << min(r.times, 5)
	wait += rand.N(wait) //nolint:gosec // spreading load, not a secret
	r.until = time.Now().Add(min(wait, 2*time.Second))
	f.refused[pending] = r

	if unsaid, ok := f.seldom.Allow(); ok {
		f.log.WarnContext(ctx, "queue was not looked at", slog.String("queue", queueOf(pending)), slog.Any("error", err), slog.Int("unsaid", unsaid))
	}
}

// room is how many tasks of a queue may be taken: no more than can be begun at once, and of
// these the queue's share. asynq has a slot for one at least, or it would not ask.
func (f *fetcher) room(pending string) int {
	free := f.slots - int(f.inHand.Load())

	return min(max(free*f.queues[queueOf(pending)]/f.weight, 1), fetchMost)
}

// returned tells that the handler of a task has returned.
func (f *fetcher) returned() { f.inHand.Add(-1) }

// await waits after all queues were found empty. It returns false when no task is to be taken any
// more.
func (f *fetcher) await() bool {
	select {
	case <-f.quit:
		return false
	default:
	}

	if f.empty < len(f.queues) {
		return true
	}

	f.empty = 0

	t := time.NewTimer(f.pause*3/4 + rand.N(f.pause/2)) //nolint:gosec // spreading load, not a secret
	defer t.Stop()

	select {
	case <-f.quit:
		return false
	case <-f.wakes:
	case <-t.C:
	}

	return true
}

func (f *fetcher) wake() {
	select {
	case f.wakes <- struct{}{}:
	default:
	}
}

// takesTask recognises the script by which asynq's servers take a task: its keys are the pending
// list, the pause mark, the active list and the leases of a queue.
func takesTask(keys []string) bool {
	return len(keys) == 4 && strings.HasSuffix(keys[0], ":pending") && strings.HasSuffix(keys[1], ":paused")
}

// giveBack puts the stock back where it was taken from. It is called when asynq asks no more.
func (f *fetcher) giveBack(ctx context.Context) error {
	if len(f.stock) == 0 {
		return nil
	}

	queue := queueOf(f.from)
	names := make([]any, 0, len(f.stock)+1)
	names = append(names, queueKey(queue, "t:"))

	for _, t := range f.stock {
		names = append(names, t.name)
	}

	f.stock = nil

	return giveBack.Run(ctx, f.UniversalClient, []string{f.from, queueKey(queue, "active"), queueKey(queue, "lease")}, names...).Err()
}

var giveBack = redis.NewScript(`
for i = #ARGV, 2, -1 do
	if redis.call("LREM", KEYS[2], 0, ARGV[i]) == 1 then
		redis.call("ZREM", KEYS[3], ARGV[i])
		redis.call("HSET", ARGV[1] .. ARGV[i], "state", "pending")
		redis.call("RPUSH", KEYS[1], ARGV[i])
	end
end
return 1`)
