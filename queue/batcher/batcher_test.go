package batcher_test

import (
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"imagerun/queue/batcher"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// gate is a Do that lets a batch go when it is told to.
type gate struct {
	mu      sync.Mutex
	batches [][]int
	open    chan struct{}
}

func (g *gate) do(batch []int) {
	g.mu.Lock()
	g.batches = append(g.batches, batch)
	g.mu.Unlock()

	<-g.open
}

func TestBatcher(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		lines, max, room int
		want             [][]int
		refused          bool
	}{
		"TheFirstGoesAlone": {want: [][]int{{0}, {1, 2, 3, 4}}},
		"InSeveralLines":    {lines: 2, want: [][]int{{0}, {1}, {2, 3, 4}}},
		"NoMoreThanMax":     {max: 3, want: [][]int{{0}, {1, 2, 3}, {4}}},
		"NoMoreThanRoom":    {room: 2, want: [][]int{{0}, {1, 2}}, refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				g := &gate{open: make(chan struct{})}
				b := &batcher.Batcher[int]{Do: g.do, Lines: c.lines, Max: c.max, Room: c.room}

				refused := false

				for i := range 5 {
					refused = !b.Add(i) || refused

					synctest.Wait()
				}

				require.Equal(t, c.refused, refused)

				idle := b.Idle()

				synctest.Wait()

				select {
				case <-idle:
					require.Fail(t, "idle while batches are under way")
				default:
				}

				close(g.open)
				<-idle
				<-b.Idle()
				require.Equal(t, c.want, g.batches)
			})
		})
	}
}
