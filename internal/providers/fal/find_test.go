package fal_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/providers"
	"imagerun/internal/providers/fal"
)

// many answers a list of n requests, a hundred at a time, and says the same cursor for ever from
// the page stuck on (0: never).
func many(t *testing.T, n, stuck int) *fal.Client {
	t.Helper()

	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, _ := strconv.Atoi(r.URL.Query().Get("cursor"))

		items := []map[string]any{}
		for i := page * 100; i < min((page+1)*100, n); i++ {
			items = append(items, map[string]any{"request_id": fmt.Sprintf("r%d", i), "sent_at": time.Now().UTC()})
		}

		next := page + 1
		if stuck > 0 && page >= stuck {
			next = page
		}

		_ = json.NewEncoder(w).Encode(map[string]any{
			"items": items, "has_more": (page+1)*100 < n, "next_cursor": strconv.Itoa(next),
		})
	}))
	t.Cleanup(server.Close)

	client := fal.New(options(server.URL))
	t.Cleanup(client.Close)

	return client
}

// A busy minute holds thousands; a list that leaves some out would have a request made again.
func TestFind_Thousands(t *testing.T) {
	t.Parallel()

	found, err := many(t, 4321, 0).Find(t.Context(), model, time.Now().Add(-time.Minute), time.Now())
	require.NoError(t, err)
	require.Len(t, found, 4321)

	for _, c := range []*fal.Client{many(t, 10_001, 0), many(t, 500, 2)} {
		_, err := c.Find(t.Context(), model, time.Now().Add(-time.Minute), time.Now())
		require.Equal(t, providers.Transient, providers.ClassOf(err))
	}
}
