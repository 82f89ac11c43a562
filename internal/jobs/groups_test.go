package jobs_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/jobs"
)

func TestGroups_HaveEveryQueueOnce(t *testing.T) {
	t.Parallel()

	group := map[string]string{} // by queue
	names := map[string]bool{}

	for _, g := range jobs.Groups() {
		require.False(t, names[g.Name], "group %s is there twice", g.Name)
		names[g.Name] = true

		require.NotEmpty(t, g.Queues, g.Name)
		require.LessOrEqual(t, len(g.Queues), 4, "a worker asks Redis for each queue in turn")

		for name, weight := range g.Queues {
			require.Positive(t, weight, name)
			require.Empty(t, group[name], "queue %s is in two groups", name)
			group[name] = g.Name
		}
	}

	for _, name := range jobs.Kinds().Queues() {
		require.NotEmpty(t, group[name], "queue %s is in no group: no worker would serve it", name)
		delete(group, name)
	}

	require.Empty(t, group, "queues without a kind")
}
