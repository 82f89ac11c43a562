package logthrottle_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/queue/internal/logthrottle"
)

func TestThrottle(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var throttle logthrottle.Throttle

		allow := func(suppressed int, ok bool) {
			t.Helper()

			n, yes := throttle.Allow("redis is away")
			require.Equal(t, ok, yes)
			require.Equal(t, suppressed, n)
		}

		allow(0, true)
		allow(0, false)
		<-time.After(logthrottle.Every - 1) // by the clock of the bubble
		allow(0, false)

		_, other := throttle.Allow("postgres is away")
		require.True(t, other, "one message hides another")

		<-time.After(1)
		allow(2, true)
		allow(0, false)
		<-time.After(logthrottle.Every)
		allow(1, true)
	})
}

func TestThrottle_Warn(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		var (
			throttle logthrottle.Throttle
			out      bytes.Buffer
		)

		log := slog.New(slog.NewTextHandler(&out, nil))
		warn := func() {
			throttle.Warn(t.Context(), log, "leases were not extended", slog.Any("error", errors.New("no route")))
		}

		warn()
		warn()
		<-time.After(logthrottle.Every)
		warn()

		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Len(t, lines, 2)
		require.Contains(t, lines[0], `level=WARN msg="leases were not extended" error="no route" suppressed=0`)
		require.Contains(t, lines[1], `suppressed=1`)
	})
}
