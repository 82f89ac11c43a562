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

	"imagerun/queue/batcher"
)

// Channel is the Redis channel that all notifications go through. Released processes listen there, so
// its name stays, and so do the three words of a message.
const Channel = "imagerun:generation:hints"

const (
	backlog     = 4096            // notifications that may wait for Redis; more are dropped
	sendTimeout = 2 * time.Second // of one round trip
)

// Notifier sends notifications: those that come while a round trip is under way go together in the next.
type Notifier struct {
	redis   redis.UniversalClient
	log     *slog.Logger
	batches batcher.Batcher[string]
}

// New returns a notifier. [Notifier.Run] waits for what is on its way.
func New(client redis.UniversalClient, log *slog.Logger) *Notifier {
	n := &Notifier{redis: client, log: log}
	n.batches = batcher.Batcher[string]{Do: n.publishBatch, Room: backlog}

	return n
}

// Notify says that what has this id, the user's, has reached a sequence. It never blocks.
func (n *Notifier) Notify(userRef string, id uuid.UUID, sequence int64) {
	n.batches.Add(fmt.Sprintf("%s %s %d", userRef, id, sequence)) // a lost notification costs a watcher two seconds
}

// Run lasts until ctx ends, and then until the last notification was sent, or Redis takes too long.
func (n *Notifier) Run(ctx context.Context) {
	<-ctx.Done()

	select {
	case <-n.batches.Idle():
	case <-time.After(sendTimeout):
	}
}

func (n *Notifier) publishBatch(batch []string) {
	ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
	defer cancel()

	pipe := n.redis.Pipeline()
	for _, message := range batch {
		pipe.Publish(ctx, Channel, message)
	}

	if _, err := pipe.Exec(ctx); err != nil {
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

			s.deliverMessage(m.Payload)
		}
	}
}

func (s *Subscriber) deliverMessage(payload string) {
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
