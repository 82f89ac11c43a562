package apptest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/simulators/falsim"
)

// TestCursor_OutlivesItsGeneration: a client that pages through a list and deletes what it read goes on where it was.
func TestCursor_OutlivesItsGeneration(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Workers: 1, Fal: falsim.Options{Duration: 100 * time.Millisecond}})
	u := p.SignUp(t, "")

	var ids []string // newest first

	for range 3 {
		ids = append([]string{u.Await(t, u.Submit(t, nil).ID, 30*time.Second).ID}, ids...)
	}

	type page struct {
		Data       []apptest.Generation `json:"data"`
		NextCursor string               `json:"next_cursor"`
	}

	var first, second page

	u.Do(t, http.MethodGet, "/v1/generations?limit=1", nil, &first)
	require.Equal(t, ids[0], first.Data[0].ID)

	require.Equal(t, http.StatusNoContent, u.Do(t, http.MethodDelete, "/v1/generations/"+ids[0], nil, nil).StatusCode)
	require.Eventually(t, func() bool { return p.Count(t, `select count(*) from ai_task`) == 2 }, 20*time.Second, 50*time.Millisecond)

	u.Do(t, http.MethodGet, "/v1/generations?limit=1&starting_after="+first.NextCursor, nil, &second)
	require.Equal(t, ids[1], second.Data[0].ID)

	// Nor is an id of no row the absence of one.
	var none page

	u.Do(t, http.MethodGet, "/v1/generations?remix_of=gen_00000000000000000000000000000000", nil, &none)
	require.Empty(t, none.Data)
	require.Equal(t, http.StatusNotFound,
		u.Do(t, http.MethodGet, "/v1/generations?starting_after=gen_00000000000000000000000000000000", nil, nil).StatusCode)
}
