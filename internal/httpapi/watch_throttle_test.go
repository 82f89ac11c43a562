package httpapi_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
)

// A caller that polls watches, too; the watch is refreshed now and then, and not at each poll.
func TestGetGeneration_IsALook(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.get = finishing(12 * time.Second)
		began := time.Now()

		for time.Since(began) < 20*time.Second {
			require.Equal(t, http.StatusOK, b.do("GET", "/v1/generations/"+sampleID, "").Code)
			<-time.After(250 * time.Millisecond) // of the bubble's time
		}

		said := map[time.Duration][]uuid.UUID{}
		for at, ids := range b.watched {
			said[at.Sub(began)] = ids
		}

		id := []uuid.UUID{sample(generation.StatusRunning, 3).ID}
		require.Equal(t, map[time.Duration][]uuid.UUID{0: id, 5 * time.Second: id, 10 * time.Second: id}, said, "until it is over")
	})
}

// And so is who waits for the answer.
func TestPreferWait_IsALook(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.get = finishing(30 * time.Second)
		b.do("GET", "/v1/generations/"+sampleID, "", "Prefer", "wait=30")

		require.Len(t, b.watched, 5, "every six seconds: it polls every two, and refreshes the watch at most every five")
	})
}
