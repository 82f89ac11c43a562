package calllog_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/kit/calllog"
)

func TestLog_ForgetsTheBusiestRouteFirst(t *testing.T) {
	t.Parallel()

	l := calllog.New(100)

	for range 20 {
		l.Add(calllog.Received{Route: "order"})
	}

	for range 499 {
		l.Add(calllog.Received{Route: "poll"})
	}

	n := l.Add(calllog.Received{Route: "poll"})
	l.SetStatus(n, 200)
	l.SetStatus(21, 500) // which is forgotten

	all := l.List("")
	require.LessOrEqual(t, len(all), 100)
	require.Len(t, l.List("order"), 20)
	require.Equal(t, calllog.Received{N: 520, Route: "poll", Status: 200}, all[len(all)-1])
	require.Equal(t, map[string]int64{"order": 20, "poll": 500}, l.Counts())
}
