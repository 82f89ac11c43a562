package fault_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/fault"
)

var errGone = errors.New("connection reset")

func TestError(t *testing.T) {
	t.Parallel()

	original := fault.New(fault.Conflict, "busy", "Come back later.")

	t.Run("CopiesMatchTheirOriginal", func(t *testing.T) {
		t.Parallel()

		field := fault.Field{Pointer: "#/a", Keyword: "enum"}
		changed := original.WithCause(errGone).WithFields(field).WithFields(field).WithRetryAfter(time.Second)
		require.ErrorIs(t, fmt.Errorf("hold: %w", changed), original)
		require.ErrorIs(t, changed, errGone)
		require.Len(t, changed.Fields, 2)
		require.Equal(t, time.Second, changed.RetryAfter)

		require.Empty(t, original.Fields, "the original is unchanged")
		require.NoError(t, errors.Unwrap(original))
		require.NotErrorIs(t, changed, fault.New(fault.Conflict, "other", ""))
	})

	t.Run("TheCauseIsForTheLogAlone", func(t *testing.T) {
		t.Parallel()

		changed := original.WithCause(errGone)
		require.Contains(t, changed.Error(), "connection reset")
		require.NotContains(t, changed.Detail, "connection reset")
	})
}

func TestOf(t *testing.T) {
	t.Parallel()

	require.Nil(t, fault.Of(nil))

	known := fault.New(fault.NotFound, "not_found", "There is no such thing.")
	require.Equal(t, known, fault.Of(fmt.Errorf("read: %w", known)))

	unknown := fault.Of(errGone)
	require.Equal(t, fault.Internal, unknown.Kind)
	require.ErrorIs(t, unknown, errGone)
	require.NotContains(t, unknown.Detail, "connection reset", "what is not a fault is bland")
}
