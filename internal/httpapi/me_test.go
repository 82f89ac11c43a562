package httpapi_test

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
)

func TestMe(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.usage = func(userID uuid.UUID) (generation.Usage, error) {
		require.Equal(t, alice, userID)

		return generation.Usage{Slots: 2, Waiting: 7}, nil
	}

	w := b.do("GET", "/v1/me", "")
	contractOf(t).requireConforms(t, "200", "get", "/v1/me", w)

	me := decode[httpapi.Me](t, w)
	require.Equal(t, httpapi.Usage{Slots: 2, Waiting: 7}, me.Usage)
	require.Positive(t, me.Plan.SubmissionsPerMinute)
}
