package app

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/retention"
)

// All classes of a cadence have their turn in one run of its job, however much there is of each.
func TestRetentionClasses_FitTheirJobs(t *testing.T) {
	t.Parallel()

	n := map[retention.Cadence]int{}

	for _, c := range RetentionClasses() {
		if c.Purge != nil {
			n[c.Purge.Cadence]++
		}
	}

	require.Len(t, n, 3, "a cadence without classes")

	for cadence, classes := range n {
		require.LessOrEqual(t, classes, 8, "%s: slices of 30 s do not fit into the five minutes of the kind", cadence)
	}
}
