package durable_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

// TestPush_LateOneIsRemoved: a job that was due later is woken while its first push is on its way. What replaces that push
// is there before it, and what comes late is not left in the engine until it is due.
func TestPush_LateOneIsRemoved(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	underway, held := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(held) })

	b.engine.delay = func(p durable.Push) {
		if p.Epoch == 1 {
			close(underway)
			<-held
		}
	}

	b.background(b.queue.Run)
	t.Cleanup(release) // before Run is waited for

	first := b.stage(durable.Key("k"), durable.After(20*time.Second))
	second := first
	second.Epoch = 2

	select {
	case <-underway:
	case <-time.After(5 * time.Second):
		require.Fail(t, "the job was not pushed")
	}

	require.NoError(t, postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
		return b.queue.Wake(t.Context(), tx, "test.probe", "k")
	}))
	b.eventually(5*time.Second, func() bool { return b.engine.state(second) == "pending" })
	release()

	b.eventually(5*time.Second, func() bool {
		return slices.ContainsFunc(b.engine.pushed(), func(p durable.Push) bool { return p.Epoch == 1 })
	})
	b.eventually(5*time.Second, func() bool { return b.engine.state(first) == "" })
	require.Equal(t, "pending", b.engine.state(second))
}
