// Package hints tells every api process that a generation has changed, through Redis pub/sub.
//
// A hint is {user ref, generation id, sequence} and nothing else. Hints may be lost, repeated or
// late: whoever gets one reads the truth from Postgres, and looks there every few seconds anyway.
package hints

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

// Channel is the Redis channel that all hints go through.
const Channel = "imagerun:generation:hints"

// backlog is how many hints may wait for Redis; more are dropped.
const backlog = 4096

// Publisher sends hints.
type Publisher struct {
	redis redis.UniversalClient
	log   *slog.Logger
	queue chan string
}

// NewPublisher returns a publisher; hints go out while [Publisher.Run] runs.
func NewPublisher(client redis.UniversalClient, log *slog.Logger) *Publisher {
	return &Publisher{redis: client, log: log, queue: make(chan string, backlog)}
}

// Hint says that a generation has reached a sequence. It never blocks.
func (p *Publisher) Hint(userRef string, id uuid.UUID, sequence int64) {
	select {
	case p.queue <- fmt.Sprintf("%s %s %d", userRef, id, sequence):
	default: // a lost hint costs a watcher two seconds
	}
}

// Run sends until ctx ends. What queues up while one round trip is in flight goes in the next.
func (p *Publisher) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-p.queue:
			p.send(ctx, first)
		}
	}
}

func (p *Publisher) send(ctx context.Context, first string) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()

	pipe := p.redis.Pipeline()
	pipe.Publish(ctx, Channel, first)

	for range min(len(p.queue), 500) {
		pipe.Publish(ctx, Channel, <-p.queue)
	}

	if _, err := pipe.Exec(ctx); err != nil && ctx.Err() == nil {
		p.log.Warn("hints were not sent", slog.Any("error", err))
	}
}

// Subscriber hands hints to the watchers in this process.
type Subscriber struct {
	redis redis.UniversalClient

	mu       sync.Mutex
	watchers map[uuid.UUID]map[chan struct{}]struct{} // guarded by mu
}

// NewSubscriber returns a subscriber; hints arrive while [Subscriber.Run] runs.
func NewSubscriber(client redis.UniversalClient) *Subscriber {
	return &Subscriber{redis: client, watchers: make(map[uuid.UUID]map[chan struct{}]struct{})}
}

// Subscribe returns a channel that is ready after the generation of this id changed, or one of the
// user's whose name in hints this is, and the function to
// call when it is no longer wanted. Hints that come before the last was taken are one.
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
