package asynqueue

import (
	"context"
	"strings"

	"github.com/redis/go-redis/v9"
)

// wakeChannel is where a push to a queue is announced. It is in the queue's hash slot, so that the
// announcement goes with the push.
func wakeChannel(queue string) string { return "durable:{" + queue + "}:wake" }

// queueOf returns the queue that a key or a channel belongs to.
func queueOf(key string) string {
	_, rest, _ := strings.Cut(key, "{")
	queue, _, _ := strings.Cut(rest, "}")

	return queue
}

// wakeUp hears of pushes and wakes who waits for them, until ctx ends. go-redis subscribes anew
// when the connection breaks.
func wakeUp(ctx context.Context, client redis.UniversalClient, servers []member) {
	waiting := map[string][]*fetcher{} // by channel

	var channels []string

	for _, m := range servers {
		for q := range m.fetcher.queues {
			c := wakeChannel(q)
			if waiting[c] == nil {
				channels = append(channels, c)
			}

			waiting[c] = append(waiting[c], m.fetcher)
		}
	}

	heard := client.Subscribe(ctx, channels...)
	defer heard.Close()

	for {
		select {
		case <-ctx.Done():
			return
		case m, open := <-heard.Channel():
			if !open {
				return
			}

			for _, f := range waiting[m.Channel] {
				f.wake()
			}
		}
	}
}
