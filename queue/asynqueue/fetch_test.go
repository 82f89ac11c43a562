package asynqueue

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue/durable"
)

// never is a pause that no test waits for.
const never = time.Hour

// fetching is a fetcher beside a pusher, asked the way asynq asks.
type fetching struct {
	t      *testing.T
	client redis.UniversalClient
	pusher *Pusher
	*fetcher
}

func newFetching(t *testing.T, g Group, slots int) *fetching {
	t.Helper()

	return newFetchingFrom(t, devtest.Redis(t), g, slots)
}

func newFetchingFrom(t *testing.T, url string, g Group, slots int) *fetching {
	t.Helper()

	client, err := Connect(url, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })

	f := newFetcher(client, &pipe{UniversalClient: client}, g, slots, slog.New(slog.DiscardHandler))
	f.pause = never

	return &fetching{t: t, client: client, pusher: NewPusher(client), fetcher: f}
}

func group(queues map[string]int) Group {
	return Group{Name: "g", Queues: queues, Concurrency: 10, Latency: true}
}

func (f *fetching) push(queue string) string {
	f.t.Helper()

	task := durable.Task{ID: uuid.New(), Epoch: 1, Queue: queue, Kind: "test.kind"}
	require.NoError(f.t, f.pusher.Push(f.t.Context(), durable.Push{Task: task}))

	return task.Name()
}

// ask is asynq's question for a task of one queue. It returns "" when there is none.
func (f *fetching) ask(queue string) string {
	f.t.Helper()

	keys := []string{queueKey(queue, "pending"), queueKey(queue, "paused"), queueKey(queue, "active"), queueKey(queue, "lease")}

	msg, err := f.EvalSha(context.Background(), "asynq's", keys, time.Now().Add(time.Minute).Unix(), queueKey(queue, "t:")).Text()
	if err != redis.Nil { //nolint:errorlint // go-redis returns the value itself
		require.NoError(f.t, err)
	}

	return msg
}

func (f *fetching) list(queue, state string) []string {
	f.t.Helper()

	names, err := f.client.LRange(context.Background(), queueKey(queue, state), 0, -1).Result()
	require.NoError(f.t, err)

	return names
}

// TestFetcher_TakesAsManyAsItHasSlots: the others are given without asking Redis again.
func TestFetcher_TakesAsManyAsItHasSlots(t *testing.T) {
	t.Parallel()

	f := newFetching(t, group(map[string]int{"a": 1}), 3)

	var names []string
	for range 5 {
		names = append(names, f.push("a"))
	}

	for i := range 3 {
		require.Contains(t, f.ask("a"), names[i], "in order")
		require.Len(t, f.list("a", "active"), 3)
	}

	f.returned()
	require.Contains(t, f.ask("a"), names[3])
	require.Len(t, f.list("a", "active"), 4, "one slot was free")
}

// TestFetcher_SharesSlots: of two queues none fills all slots with one look.
func TestFetcher_SharesSlots(t *testing.T) {
	t.Parallel()

	f := newFetching(t, group(map[string]int{"a": 3, "b": 1}), 8)

	for range 10 {
		f.push("a")
		f.push("b")
	}

	require.NotEmpty(t, f.ask("b"))
	require.Len(t, f.list("b", "active"), 2)
	require.Empty(t, f.ask("a"), "what was taken comes first")
	require.NotEmpty(t, f.ask("b"))
	require.NotEmpty(t, f.ask("a"))
	require.Len(t, f.list("a", "active"), 4, "three quarters of the six slots that are free")
}

// TestFetcher_PushWakes: an idle server hears of a push, wherever it comes from.
func TestFetcher_PushWakes(t *testing.T) {
	t.Parallel()

	f := newFetching(t, group(map[string]int{"a": 1, "b": 1}), 3)
	ctx, cancel := context.WithCancel(t.Context())
	heard := make(chan struct{})

	go func() {
		defer close(heard)

		wakeUp(ctx, f.client, []member{{fetcher: f.fetcher}})
	}()

	require.Eventually(t, func() bool {
		n, err := f.client.PubSubNumSub(ctx, wakeChannel("a"), wakeChannel("b")).Result()

		return err == nil && n[wakeChannel("a")] > 0 && n[wakeChannel("b")] > 0
	}, 5*time.Second, 5*time.Millisecond)

	// The first push has Redis load asynq's script.
	require.NoError(t, f.client.ScriptFlush(ctx).Err())

	for _, queue := range []string{"a", "b"} {
		require.Empty(t, f.ask("a"))
		require.Empty(t, f.ask("b"))

		got := make(chan string)

		go func() { got <- f.ask("a") + f.ask("b") }()

		name := f.push(queue)

		select {
		case msg := <-got:
			if msg == "" { // woken by an earlier push
				msg = f.ask(queue)
			}

			require.Contains(t, msg, name)
		case <-time.After(10 * time.Second):
			t.Fatal("was not woken")
		}
	}

	cancel()
	<-heard
}

// TestFetcher_LostWakeUp costs a pause and no more.
func TestFetcher_LostWakeUp(t *testing.T) {
	t.Parallel()

	f := newFetching(t, group(map[string]int{"a": 1}), 3)
	f.pause = time.Millisecond
	require.Empty(t, f.ask("a"))

	name := f.push("a")
	require.Contains(t, f.ask("a"), name)
}

// TestFetcher_OneQueueRefused has Redis fail for one queue of a group: asynq, which gives up a round
// at the first error, hears of none. The queue is left alone for a while, and is there again when
// it is well.
func TestFetcher_OneQueueRefused(t *testing.T) {
	t.Parallel()

	f := newFetching(t, group(map[string]int{"bad": 1, "good": 1}), 4)
	f.pause = time.Millisecond
	bad := queueKey("bad", "pending")
	require.NoError(t, f.client.Set(t.Context(), bad, "not a list", 0).Err())

	for range 3 {
		name := f.push("good")
		require.Empty(t, f.ask("bad"))
		require.Contains(t, f.ask("good"), name)
		f.returned()

		f.refused[bad] = refusal{f.refused[bad].times, time.Now().Add(time.Hour)}
	}

	require.Equal(t, 1, f.refused[bad].times, "left alone in the other rounds")

	require.NoError(t, f.client.Del(t.Context(), bad).Err())

	name := f.push("bad")
	require.Empty(t, f.ask("bad"))

	f.refused[bad] = refusal{f.refused[bad].times, time.Now()}
	require.Contains(t, f.ask("bad"), name)
	require.Empty(t, f.refused)
}

// TestFetcher_RefusedMoreAndMoreSeldom, up to every second or two.
func TestFetcher_RefusedMoreAndMoreSeldom(t *testing.T) {
	t.Parallel()

	f := newFetching(t, group(map[string]int{"a": 1}), 1)

	for times := range 40 {
		f.refuse(t.Context(), "a", redis.ErrClosed)

		left := time.Until(f.refused["a"].until)
		require.LessOrEqual(t, left, 2*time.Second)

		if times >= 5 {
			require.Greater(t, left, 1500*time.Millisecond)
		}
	}
}

// TestFetcher_SilentQueue costs the other queues one read of Redis, and not its retries too.
func TestFetcher_SilentQueue(t *testing.T) {
	t.Parallel()

	own := devtest.OwnRedis(t)
	f := newFetchingFrom(t, own.URL, group(map[string]int{"a": 1}), 1)
	require.Empty(t, f.ask("a"))
	f.pause = time.Millisecond

	own.Pause()
	defer own.Continue()

	began := time.Now()

	require.Empty(t, f.ask("a"))
	require.Less(t, time.Since(began), 2*fetchWithin)
	require.Equal(t, 1, f.refused[queueKey("a", "pending")].times)
}

// TestFetcher_GivesBack what asynq did not ask for before it stopped.
func TestFetcher_GivesBack(t *testing.T) {
	t.Parallel()

	f := newFetching(t, group(map[string]int{"a": 1}), 5)

	var names []string
	for range 5 {
		names = append(names, f.push("a"))
	}

	require.Contains(t, f.ask("a"), names[0])
	close(f.quit)
	require.NoError(t, f.giveBack(t.Context()))
	require.Equal(t, names[:1], f.list("a", "active"))
	require.Equal(t, []string{names[4], names[3], names[2], names[1]}, f.list("a", "pending"), "in the order in which they came")
	require.Empty(t, f.ask("a"), "asks no more")

	state, err := f.client.HGet(t.Context(), queueKey("a", "t:"+names[1]), "state").Result()
	require.NoError(t, err)
	require.Equal(t, "pending", state)
}

// TestPipe_EachCallHasItsOwnAnswer has many scripts sent together, of which some fail.
func TestPipe_EachCallHasItsOwnAnswer(t *testing.T) {
	t.Parallel()

	f := newFetching(t, group(map[string]int{"a": 1}), 1)
	script := redis.NewScript(`if ARGV[1] == "7" then return redis.error_reply("no seven") end return ARGV[1]`)
	errs := make(chan error)

	for n := range 100 {
		go func() {
			text, err := script.Run(context.Background(), f.pipe, []string{"k"}, n).Text()

			switch {
			case n == 7 && err == nil:
				errs <- fmt.Errorf("seven was answered with %s", text)
			case n != 7 && (err != nil || text != fmt.Sprint(n)):
				errs <- fmt.Errorf("%d was answered with %s: %w", n, text, err)
			default:
				errs <- nil
			}
		}()
	}

	for range 100 {
		require.NoError(t, <-errs)
	}

}

// TestPipe_CallerGoes has the answer come after nobody waits for it any more.
func TestPipe_CallerGoes(t *testing.T) {
	t.Parallel()

	own := devtest.OwnRedis(t)
	client, err := Connect(own.URL, 0)
	require.NoError(t, err)

	defer client.Close()

	p := &pipe{UniversalClient: client}
	script := redis.NewScript(`return redis.call("INCR", KEYS[1])`)
	require.NoError(t, script.Run(t.Context(), p, []string{"k"}).Err())

	own.Pause()

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()

	err = script.Run(ctx, p, []string{"k"}).Err()

	own.Continue()
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, script.Run(t.Context(), p, []string{"k"}).Err(), "the pipe is as before")
}
