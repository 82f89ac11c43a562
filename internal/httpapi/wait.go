package httpapi

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/generation"
)

const (
	maxWait   = time.Minute     // longest Prefer: wait
	pollEvery = 2 * time.Second // how often to poll without a notification, because those may be lost
	maxOpen   = 20              // streams, downloads and waits of one user in this process
)

// Notifications tells that a generation or an upload has changed. One may be lost or come twice; the
// channel is never closed, and the sender does not wait for its reader. The second result ends the subscription.
type Notifications interface {
	Subscribe(id uuid.UUID) (<-chan struct{}, func())
}

// preferredWait reads how long the caller would wait (RFC 7240 §4.3), at most [maxWait]. What is
// not understood is ignored, as §2 demands.
func preferredWait(prefer string) (time.Duration, bool) {
	for p := range strings.SplitSeq(prefer, ",") {
		p, _, _ = strings.Cut(p, ";")

		name, value, _ := strings.Cut(p, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "wait") {
			continue
		}

		n, err := strconv.ParseUint(strings.Trim(strings.TrimSpace(value), `"`), 10, 31)
		if err != nil && !errors.Is(err, strconv.ErrRange) || n == 0 {
			return 0, false
		}

		return min(time.Duration(n)*time.Second, maxWait), true
	}

	return 0, false
}

// prefersAsync reports respond-async (RFC 7240 §4.1), which is what we do anyway.
func prefersAsync(prefer string) bool {
	for p := range strings.SplitSeq(prefer, ",") {
		if p, _, _ = strings.Cut(p, ";"); strings.EqualFold(strings.TrimSpace(p), "respond-async") {
			return true
		}
	}

	return false
}

// awaitGeneration holds g back until it is terminal or the caller's patience ends, and returns it as it is
// then, with the preference that was applied, if any. Over its limit of open requests, a user is
// answered at once.
func (s *server) awaitGeneration(ctx context.Context, userID uuid.UUID, g generation.Generation, prefer *string) (generation.Generation, *string, error) {
	if prefer == nil {
		return g, nil, nil
	}

	limit, ok := preferredWait(*prefer)

	release := func() {}
	if ok {
		release, ok = s.openSlots.acquireSlot(userID)
	}

	if !ok {
		if prefersAsync(*prefer) {
			return g, new("respond-async"), nil
		}

		return g, nil, nil
	}
	defer release()

	if g.Status.Terminal() {
		return g, formatAppliedWait(limit), nil
	}

	err := s.pollUntil(ctx, g.ID, limit, func(ctx context.Context) (bool, error) {
		next, err := s.Generations.Get(ctx, userID, g.ID)
		if err == nil {
			g = next
			s.refreshWatch(ctx, userID, g)
		}

		return g.Status.Terminal(), err
	})
	if err != nil {
		return g, nil, err
	}

	return g, formatAppliedWait(limit), nil
}

func formatAppliedWait(limit time.Duration) *string {
	return new("wait=" + strconv.Itoa(int(limit.Seconds())))
}

// pollUntil polls until ended says yes or limit is over: at once, at each notification about id, and now and
// then because those may be lost. The connection's deadlines, and the request's own, are extended for
// it alone, and the caller is judged again now and then.
func (s *server) pollUntil(ctx context.Context, id uuid.UUID, limit time.Duration, ended func(ctx context.Context) (bool, error)) error {
	defer extendDeadlines(exchangeOf(ctx).connection, limit+replyTime)()

	ctx, cancel := exchangeOf(ctx).withoutDeadline(ctx)
	defer cancel()

	poll := func() (bool, error) {
		ctx, cancel := context.WithTimeout(ctx, answerTime)
		defer cancel()

		return ended(ctx)
	}

	notified, stop := s.Notifications.Subscribe(id)
	defer stop()

	end := time.NewTimer(limit)
	defer end.Stop()

	tick := time.NewTicker(pollEvery)
	defer tick.Stop()

	for last := false; ; {
		if done, err := poll(); done || last || err != nil {
			return err
		}

		select {
		case <-notified:
		// Notifications may be lost, and the caller may have lost their right meanwhile.
		case <-tick.C:
			if err := exchangeOf(ctx).stillAllowed(ctx); err != nil {
				return err
			}
		// The caller is answered with what there is now.
		case <-end.C:
			last = true
		// The process stops: the caller is answered with what was there last.
		case <-s.Closing:
			return nil
		// The caller has gone.
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// slots counts what each user holds open.
type slots struct {
	limit int

	mu   sync.Mutex        // guards held
	held map[uuid.UUID]int // no zeros
}

func newSlots(limit int) *slots { return &slots{limit: limit, held: map[uuid.UUID]int{}} }

// acquireSlot reports false when the user holds the limit already.
func (s *slots) acquireSlot(userID uuid.UUID) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()

	if s.held[userID] >= s.limit {
		return nil, false
	}

	s.held[userID]++

	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()

		if s.held[userID]--; s.held[userID] == 0 {
			delete(s.held, userID)
		}
	}), true
}
