package notify_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/notify"
)

func TestMain(m *testing.M) { devtest.Main(m) }

func TestNotifier(t *testing.T) {
	t.Parallel()

	server := devtest.OwnRedis(t)
	options, err := redis.ParseURL(server.URL)
	require.NoError(t, err)

	client := redis.NewClient(options)
	n, s := notify.New(client, slog.New(slog.DiscardHandler)), notify.NewSubscriber(client)
	ctx, cancel := context.WithCancel(t.Context())

	var wg sync.WaitGroup

	wg.Go(func() { n.Run(ctx) })
	wg.Go(func() { s.Run(ctx) })

	t.Cleanup(func() {
		cancel()
		wg.Wait()
		require.NoError(t, client.Close())
	})

	watched, other := uuid.New(), uuid.New()
	changed, stop := s.Subscribe(watched)
	again, stopAgain := s.Subscribe(watched)
	silent, stopOther := s.Subscribe(other)

	user := uuid.New()
	ref := strings.ReplaceAll(user.String(), "-", "")
	all, stopAll := s.Subscribe(user)

	// Until the subscription stands notifications are lost, which is allowed: so they are repeated.
	arrives := func(c <-chan struct{}) {
		t.Helper()
		require.Eventually(t, func() bool {
			n.Notify(ref, watched, 2)

			select {
			case <-c:
				return true
			case <-time.After(20 * time.Millisecond):
				return false
			}
		}, 20*time.Second, time.Millisecond)
	}

	arrives(changed)
	arrives(again)
	arrives(all)

	// Redis restarts: notifications are lost meanwhile, Notify never blocks, and they come again by themselves.
	server.Kill()

	for range 10_000 {
		n.Notify(ref, watched, 3)
	}

	require.NoError(t, server.Restart(t.Context(), false))
	arrives(changed)

	select {
	case <-silent:
		require.Fail(t, "the watcher of something else was told")
	default:
	}

	stop()
	stopAgain()
	stopOther()
	stopAll()
}
