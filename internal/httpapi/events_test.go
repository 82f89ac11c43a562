package httpapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
)

// watchAll runs the stream of all events to its end.
func watchAll(ctx context.Context, b *bundle, headers ...string) (*stamped, *httptest.ResponseRecorder) {
	return watchSome(ctx, b, "", headers...)
}

// watchSome does so with a query.
func watchSome(ctx context.Context, b *bundle, query string, headers ...string) (*stamped, *httptest.ResponseRecorder) {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/events"+query, http.NoBody)
	r.Header.Set("Authorization", "Bearer alice")

	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}

	w := &stamped{ResponseRecorder: httptest.NewRecorder(), began: time.Now()}
	b.handler.ServeHTTP(w, r)

	return w, w.ResponseRecorder
}

// journal is what has happened to alice, as Postgres would show it, at most two at a time.
func journal(b *bundle, changes ...generation.Change) {
	b.overview = func(userID uuid.UUID) (generation.Overview, error) {
		return generation.Overview{Number: 1, Generations: []generation.Generation{sample(generation.StatusRunning, 3)}, HasMore: true}, nil
	}
	b.resumable = func(_ uuid.UUID, after int64) (bool, error) { return after <= 4, nil }
	b.changes = func(userID uuid.UUID, after int64) ([]generation.Change, error) {
		if userID != alice {
			return nil, errors.New("not alice")
		}

		var later []generation.Change

		for _, c := range changes {
			if c.Number > after && !c.At.After(time.Now()) && len(later) < 2 {
				later = append(later, c)
			}
		}

		return later, nil
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()

	started := func() []generation.Change {
		now := sample(generation.StatusSucceeded, 6)
		at := func(d time.Duration) time.Time { return time.Now().Add(d) }
		change := func(n, sequence int64, status generation.Status, after time.Duration) generation.Change {
			return generation.Change{Number: n, GenerationID: now.ID, Event: generation.Event{Sequence: sequence, Status: status, At: at(after)}}
		}
		last := change(4, 6, generation.StatusSucceeded, 0)
		last.Generation = &now

		return []generation.Change{
			change(2, 4, generation.StatusStoring, 0), change(3, 5, generation.StatusStoring, 0), last,
			{Number: 5, GenerationID: uuid.New(), Deleted: true, Event: generation.Event{At: at(5 * time.Second)}},
		}
	}

	for name, c := range map[string]struct {
		lastEventID string
		want        []string
	}{
		"Fresh":        {"", []string{"0s retry: 3000", "0s id: 1 event: snapshot", "0s id: 2 event: change", "0s id: 3 event: change", "0s id: 4 event: change", "6s id: 5 event: deleted"}},
		"Resumed":      {"3", []string{"0s retry: 3000", "0s id: 4 event: change", "6s id: 5 event: deleted"}},
		"AtTheEnd":     {"4", []string{"0s retry: 3000", "6s id: 5 event: deleted"}},
		"NotResumable": {"9", []string{"0s retry: 3000", "0s id: 1 event: snapshot", "0s id: 2 event: change", "0s id: 3 event: change", "0s id: 4 event: change", "6s id: 5 event: deleted"}},
		"Nonsense":     {"CANARY-7f3a", []string{"0s retry: 3000", "0s id: 1 event: snapshot", "0s id: 2 event: change", "0s id: 3 event: change", "0s id: 4 event: change", "6s id: 5 event: deleted"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				journal(b, started()...)
				time.AfterFunc(11*time.Second, func() { close(b.closing) })

				s, w := watchAll(t.Context(), b, "Last-Event-ID", c.lastEventID)

				require.Equal(t, c.want, s.lines)
				require.Equal(t, "text/event-stream", w.Header().Get("Content-Type"))
				require.Len(t, b.watched, 2, "said at once and after ten seconds")

				for _, ids := range b.watched {
					require.Empty(t, ids, "all of them")
				}

				data := dataOf(w.Body)
				schemas := []string{"EventSnapshot", "GenerationEvent", "GenerationEvent", "GenerationEvent", "GenerationDeletion"}
				schemas = schemas[len(schemas)-len(data):]

				for i, d := range data {
					requireSchema(t, schemas[i], d)
				}

				if slices.Contains(schemas, "EventSnapshot") {
					require.Contains(t, data[0], `"has_more":true`)
					require.Contains(t, data[1], `"generation":null`)
					require.Contains(t, data[3], `"progress":1`)
				}
			})
		})
	}
}

func TestEvents_GoesOnOverAnOutageAndEndsByItself(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		journal(b)

		began := time.Now()
		changes := b.changes
		b.changes = func(userID uuid.UUID, after int64) ([]generation.Change, error) {
			if since := time.Since(began); since > time.Minute && since < 2*time.Minute {
				return nil, errors.New("no database")
			}

			return changes(userID, after)
		}

		watchAll(t.Context(), b)
		require.Equal(t, 15*time.Minute, time.Since(began))
		require.Contains(t, b.log.String(), "could not be read")
	})
}

func TestEvents_Refusals(t *testing.T) {
	t.Parallel()

	b := setup(t)
	requireCode(t, b.do("GET", "/v1/events", "", "Authorization", ""), http.StatusUnauthorized, "unauthenticated")
	requireCode(t, b.do("GET", "/v1/events?after=1", ""), http.StatusUnprocessableEntity, "validation_failed")

	b.overview = func(uuid.UUID) (generation.Overview, error) { return generation.Overview{}, errUnavailable }
	requireCode(t, b.do("GET", "/v1/events", ""), http.StatusServiceUnavailable, "auth_unavailable")

	b.resumable = func(uuid.UUID, int64) (bool, error) { return false, errUnavailable }
	requireCode(t, b.do("GET", "/v1/events", "", "Last-Event-ID", "1"), http.StatusServiceUnavailable, "auth_unavailable")
}

// Of others than those with the labels nothing is sent but how far they are, so that who comes back goes on from there.
func TestEvents_ByLabels(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		id, at := sample(generation.StatusRunning, 3).ID, time.Now()
		other := func(n int64) generation.Change {
			return generation.Change{Number: n, Other: true, Event: generation.Event{At: at}}
		}
		own := func(n int64) generation.Change {
			return generation.Change{Number: n, GenerationID: id, Event: generation.Event{Sequence: n, Status: generation.StatusRunning, At: at}}
		}
		journal(b, other(2), own(3), own(4), other(5), other(6), other(7), generation.Change{Number: 8, GenerationID: id, Deleted: true, Event: generation.Event{At: at}})

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		const query = "?metadata[project]=calendar&metadata[page]=1"

		s, _ := watchSome(ctx, b, query) // which looks at two at a time
		require.Equal(t, []string{
			"0s retry: 3000",
			"0s id: 1 event: snapshot",
			"0s id: 3 event: change",
			"0s id: 4 event: change",
			"0s id: 5",
			"0s id: 7",
			"0s id: 8 event: deleted",
		}, s.lines)

		for _, labels := range b.labels {
			require.Equal(t, map[string]string{"project": "calendar", "page": "1"}, labels)
		}

		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		s, _ = watchSome(ctx, b, query, "Last-Event-ID", "4")
		require.Equal(t, []string{"0s retry: 3000", "0s id: 6", "0s id: 8 event: deleted"}, s.lines)
	})

	b := setup(t)
	requireCode(t, b.do("GET", "/v1/events?metadata[x%20y]=1", ""), 422, "validation_failed")
	requireCode(t, b.do("GET", "/v1/events?project=calendar", ""), 422, "validation_failed")
}
