package asynqueue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

// waitFor is how long Redis is asked to wait for a task. What it says then is that it is still there.
const waitFor = 2 * time.Second

// awaitTasks waits for tasks of one queue, one at a time, whenever the hand finds all queues empty.
func (h *hand) awaitTasks(ctx context.Context, q *handQueue) {
	var last time.Time

	defer q.closeWaiter()

	for {
		select {
		case <-h.quit:
			return
		case <-q.wanted:
		}

		for h.empty.Load() && !h.isQuitting() {
			if !h.restUnlessQuit(q.leftAlone()) {
				return
			}

			name, err := q.waitForTask(ctx, h.client)

			switch {
			case err != nil:
				h.backOff(ctx, q, err)
			case name == "":
				q.resetBackOff()
			case h.isQuitting(), h.slots.Free() == 0: // it is for another worker, which has waited too
				h.tasks.endTask(h.tasks.addTask(q.name, name), durable.Verdict{Do: durable.PutBack})
				h.empty.Store(false)
				signalOnce(h.more)
			default:
				q.resetBackOff()
				h.slots.Take(1)

				h.ended.Go(func() { h.startTasks(ctx, q, []string{name}) })

				if time.Since(last) < inARow {
					h.empty.Store(false)
					signalOnce(h.more)
				}

				last = time.Now()
			}
		}
	}
}

// restUnlessQuit waits for d; false: the hand quits.
func (h *hand) restUnlessQuit(d time.Duration) bool {
	if d <= 0 {
		return true
	}

	t := time.NewTimer(d)
	defer t.Stop()

	select {
	case <-h.quit:
		return false
	case <-t.C:
		return true
	}
}

// waiter is a connection on which a hand waits. Its id lets other connections end that.
type waiter struct {
	node *redis.Client
	conn *redis.Conn
	id   int64 // zero: Redis does not say
}

// waitForTask waits in Redis for a task of the queue, moves it to those in hand, and returns its name; "" when none
// came, or the queue is paused.
func (q *handQueue) waitForTask(ctx context.Context, client redis.UniversalClient) (name string, err error) {
	ctx, cancel := context.WithTimeout(ctx, waitFor+takeTimeout)
	defer cancel()

	w := q.waiter
	if w == nil {
		if w, err = dialWaiter(ctx, client, queueKey(q.name, "pending")); err != nil {
			return "", err
		}

		q.setWaiter(w)
	}

	paused, err := w.conn.Exists(ctx, queueKey(q.name, "paused")).Result()

	switch {
	case err != nil:
		q.closeWaiter()

		return "", fmt.Errorf("look for a pause: %w", err)
	case paused > 0:
		q.leaveAlone(pausedFor)

		return "", nil
	}

	name, err = w.conn.BLMove(ctx, queueKey(q.name, "pending"), queueKey(q.name, "active"), "RIGHT", "LEFT", waitFor).Result()

	switch {
	case err == nil:
		return name, nil
	case errors.Is(err, redis.Nil): // nothing came, or it was unblocked
		return "", nil
	default:
		q.closeWaiter()

		return "", fmt.Errorf("wait for a task: %w", err)
	}
}

// dialWaiter takes a connection to the node that has a key.
func dialWaiter(ctx context.Context, client redis.UniversalClient, key string) (*waiter, error) {
	w := &waiter{}

	switch c := client.(type) {
	case *redis.ClusterClient:
		node, err := c.MasterForKey(ctx, key)
		if err != nil {
			return nil, fmt.Errorf("find the node of a queue: %w", err)
		}

		w.node = node
	case *redis.Client:
		w.node = c
	default:
		return nil, fmt.Errorf("redis client %T has no connections", client)
	}

	w.conn = w.node.Conn()

	var (
		err     error
		refused redis.Error // without the right to know it, a stop takes as long as a wait
	)

	if w.id, err = w.conn.ClientID(ctx).Result(); err != nil && !errors.As(err, &refused) {
		_ = w.conn.Close()

		return nil, fmt.Errorf("connect to wait: %w", err)
	}

	return w, nil
}

func (q *handQueue) setWaiter(w *waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()

	q.waiter = w
}

// closeWaiter gives the connection up: after an error anything may come on it.
func (q *handQueue) closeWaiter() {
	if q.waiter != nil {
		_ = q.waiter.conn.Close()
		q.setWaiter(nil)
	}
}

// unblockWaiter ends a wait, as if nothing had come.
func (q *handQueue) unblockWaiter(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()

	q.mu.Lock()
	w := q.waiter
	q.mu.Unlock()

	if w != nil && w.id > 0 {
		_ = w.node.ClientUnblock(ctx, w.id).Err() // else the wait ends by itself
	}
}
