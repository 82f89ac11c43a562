package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/plan"
)

func TestLoad(t *testing.T) {
	t.Parallel()

	plans, err := plan.Load(nil)
	require.NoError(t, err)
	require.Equal(t, plan.Default, plans.Of("no longer sold").ID)
	require.Equal(t, "pro", plans.Of("pro").ID)

	_, err = plan.Load([]byte(`{"plans":[{"id":"pro","slots":0,"upload_bytes":-1},{"slots":1}]}`))
	require.ErrorContains(t, err, `no plan "free"`)
	require.ErrorContains(t, err, `plan 0 ("pro"): slots must be at least 1`)
	require.ErrorContains(t, err, `plan 0 ("pro"): upload_bytes must not be negative`)
	require.ErrorContains(t, err, "plan 1: id is required")

	_, err = plan.Load([]byte(`{"plan":[]}`))
	require.ErrorContains(t, err, "unknown field")

	_, err = plan.Load([]byte(`{"plans":[]} []`))
	require.ErrorContains(t, err, "something after")
}
