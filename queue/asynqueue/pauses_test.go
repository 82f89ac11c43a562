package asynqueue_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// beforeWriting runs something just before the first pipeline that a client sends.
type beforeWriting struct {
	redis.Hook

	once sync.Once
	do   func(ctx context.Context)
}

func (h *beforeWriting) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (h *beforeWriting) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *beforeWriting) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.once.Do(func() { h.do(ctx) })

		return next(ctx, cmds)
	}
}

// TestPauses_StaleRestore: an operator pauses a queue just when a scheduler, which has looked already, writes that
// none is paused. It stays paused.
func TestPauses_StaleRestore(t *testing.T) {
	t.Parallel()

	url := devtest.Redis(t)
	s := setup(t, url, durable.Timing{})
	admin, log := durable.NewAdmin(s.queue), slog.New(slog.DiscardHandler)

	client, err := asynqueue.Connect(url, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })

	client.AddHook(&beforeWriting{do: func(ctx context.Context) {
		require.NoError(t, admin.Pause(ctx, durable.Pause{Queue: "tests", Operator: "ada"}, 0))
		require.NoError(t, asynqueue.NewPauses(s.pusher, admin, log).Restore(ctx, []string{"tests"}))
	}})

	require.NoError(t, asynqueue.NewPauses(asynqueue.NewPusher(client), admin, log).Restore(t.Context(), []string{"tests"}))
	require.EqualValues(t, 1, s.client.Exists(t.Context(), "asynq:{tests}:paused").Val())
}
