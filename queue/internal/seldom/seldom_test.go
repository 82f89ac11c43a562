package seldom_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/queue/internal/seldom"
)

func TestGate(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var g seldom.Gate

		allow := func(unsaid int, ok bool) {
			t.Helper()

			n, yes := g.Allow()
			require.Equal(t, ok, yes)
			require.Equal(t, unsaid, n)
		}

		allow(0, true)
		allow(0, false)
		<-time.After(seldom.Every - 1) // by the clock of the bubble
		allow(0, false)
		<-time.After(1)
		allow(2, true)
		allow(0, false)
		<-time.After(seldom.Every)
		allow(1, true)
	})
}
