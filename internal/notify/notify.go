// Package notify tells the watchers of a user, in whatever process they are, that something of the user's
// has changed, through Redis pub/sub. What it is, a generation or an upload, notify does not know.
//
// A notification is {user ref, id, sequence} and nothing else. It may be lost, repeated or late:
// whoever gets one reads the truth from Postgres, and looks there every few seconds anyway.
package notify

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Channel is the Redis channel that all notifications go through. Released processes listen there, so
// its name stays, and so do the three words of a message.
const Channel = "imagerun:generation:hints"

// backlog is how many notifications may wait for Redis; more are dropped.
const backlog = 4096

// Notifier sends notifications.
type Notifier struct {
	redis redis.UniversalClient
	log   *slog.Logger
	queue chan string
}

// New returns a notifier; notifications go out while [Notifier.Run] runs.
func New(client redis.UniversalClient, log *slog.Logger) *Notifier {
	return &Notifier{redis: client, log: log, queue: make(chan string, backlog)}
}

// Notify says that what has this id, the user's, has reached a sequence. It never blocks.
func (n *Notifier) Notify(userRef string, id uuid.UUID, sequence int64) {
	select {
	case n.queue <- fmt.Sprintf("%s %s %d", userRef, id, sequence):
	default: // a lost notification costs a watcher two seconds
	}
}

// Run sends until ctx ends. What queues up while one round trip is in flight goes in the next.
func (n *Notifier) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-n.queue:
			n.send(ctx, first)
		}
	}
}

func (n *Notifier) send(ctx context.Context, first string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()

	pipe := n.redis.Pipeline()
	pipe.Publish(ctx, Channel, first)

	for range min(len(n.queue), 500) {
		pipe.Publish(ctx, Channel, <-n.queue)
	}

	if _, err := pipe.Exec(ctx); err != nil && ctx.Err() == nil {
		n.log.Warn("notifications were not sent", slog.Any("error", err))
	}
}

// Subscriber hands notifications to the watchers in this process.
type Subscriber struct {
	redis redis.UniversalClient

	mu       sync.Mutex
	watchers map[uuid.UUID]map[chan struct{}]struct{} // guarded by mu
}

// NewSubscriber returns a subscriber; notifications arrive while [Subscriber.Run] runs.
func NewSubscriber(client redis.UniversalClient) *Subscriber {
	return &Subscriber{redis: client, watchers: make(map[uuid.UUID]map[chan struct{}]struct{})}
}

// Subscribe returns a channel that is ready after what has this id changed, or anything of the user
// whose topic (ref) it is, and the function to call when it is no longer wanted. Notifications that
// come before the last was taken are one.
func (s *Subscriber) Subscribe(id uuid.UUID) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)

	s.mu.Lock()
	defer s.mu.Unlock()

	if s.watchers[id] == nil {
		s.watchers[id] = make(map[chan struct{}]struct{})
	}

	s.watchers[id][c] = struct{}{}

	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()

		delete(s.watchers[id], c)

		if len(s.watchers[id]) == 0 {
			delete(s.watchers, id)
		}
	}
}

// Run receives until ctx ends; it reconnects by itself.
func (s *Subscriber) Run(ctx context.Context) {
	sub := s.redis.Subscribe(ctx, Channel)
	defer sub.Close()

	messages := sub.Channel(redis.WithChannelSize(backlog))

	for {
		select {
		case <-ctx.Done():
			return
		case m, open := <-messages:
			if !open {
				return
			}

			s.receive(m.Payload)
		}
	}
}

func (s *Subscriber) receive(payload string) {
	parts := strings.Split(payload, " ")
	if len(parts) != 3 {
		return
	}

	s.mu.Lock()
	defer s.mu.Unlock()

	// To whoever watches all of the user's, and to whoever watches this one.
	for _, text := range parts[:2] {
		id, err := uuid.Parse(text)
		if err != nil {
			continue
		}

		for c := range s.watchers[id] {
			select {
			case c <- struct{}{}:
			default:
			}
		}
	}
}
