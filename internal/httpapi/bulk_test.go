package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
)

func TestDeleteMany(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.removeAll = func(userID uuid.UUID, ids []uuid.UUID) ([]generation.Deletion, error) {
		require.Equal(t, alice, userID)
		require.Len(t, ids, 3)

		return []generation.Deletion{generation.DeletionDone, generation.DeletionAlready, generation.DeletionNotFound}, nil
	}

	ids := []string{sampleID, "gen_" + strings.Repeat("1", 32), "gen_" + strings.Repeat("0", 32)}
	w := b.do("POST", "/v1/generations/delete", `{"ids":["`+strings.Join(ids, `","`)+`"]}`)
	contractOf(t).requireConforms(t, "200", "post", "/v1/generations/delete", w)

	for i, d := range decode[httpapi.DeletionList](t, w).Data {
		require.Equal(t, ids[i], d.ID)
		require.Equal(t, []string{"deleted", "already_deleted", "not_found"}[i], string(d.Result))
	}
}

func TestCancelMany(t *testing.T) {
	t.Parallel()

	b := setup(t)
	results := []generation.Cancellation{
		generation.CancellationDone, generation.CancellationRequested, generation.CancellationTooLate, generation.CancellationDeleted, generation.CancellationNotFound,
	}
	b.cancelAll = func(userID uuid.UUID, ids []uuid.UUID) ([]generation.Cancellation, error) {
		require.Equal(t, alice, userID)
		require.Len(t, ids, len(results))

		return results, nil
	}

	ids := make([]string, len(results))
	for i := range ids {
		ids[i] = "gen_" + strings.Repeat(string(rune('0'+i)), 32)
	}

	w := b.do("POST", "/v1/generations/cancel", `{"ids":["`+strings.Join(ids, `","`)+`"]}`)
	contractOf(t).requireConforms(t, "200", "post", "/v1/generations/cancel", w)

	for i, c := range decode[httpapi.CancellationList](t, w).Data {
		require.Equal(t, ids[i], c.ID)
		require.Equal(t, string(results[i]), string(c.Result))
	}

	b.cancelWaiting = func(uuid.UUID) (generation.CanceledWaiting, error) {
		return generation.CanceledWaiting{IDs: []uuid.UUID{uuid.New()}, HasMore: true}, nil
	}

	w = b.do("POST", "/v1/generations/cancel", `{"waiting":true}`)
	contractOf(t).requireConforms(t, "200", "post", "/v1/generations/cancel", w)

	list := decode[httpapi.CancellationList](t, w)
	require.True(t, list.HasMore)
	require.EqualValues(t, "canceled", list.Data[0].Result)

	for _, body := range []string{`{}`, `{"waiting":false}`, `{"ids":[]}`, `{"ids":["` + ids[0] + `"],"waiting":true}`} {
		require.Equal(t, http.StatusUnprocessableEntity, b.do("POST", "/v1/generations/cancel", body).Code, body)
	}
}
