package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/generation"
)

// What lasts ends within seconds of the sign-out, the ban or the revocation of the caller that holds it open, and an outage
// of what judges them ends nothing.
func TestAccess_EndsWithTheCredential(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		err  error
		ends time.Duration // of a stream
		wait int           // status of a wait
	}{
		"Revoked":   {auth.ErrUnauthenticated, 4 * time.Second, http.StatusUnauthorized},
		"Forbidden": {auth.ErrScope, 4 * time.Second, http.StatusForbidden},
		"Outage":    {context.DeadlineExceeded, 15 * time.Minute, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				b.get = finishing(24 * time.Hour)
				b.events = func(_, _ uuid.UUID, _ int64) ([]generation.Event, error) { return nil, nil }
				b.overview = func(uuid.UUID) (generation.Overview, error) { return generation.Overview{}, nil }
				b.changes = func(uuid.UUID, int64) ([]generation.Change, error) { return nil, nil }

				revokeIn := func(d time.Duration) {
					b.revoked.Store(nil)
					time.AfterFunc(d, func() { b.revoked.Store(&c.err) })
				}

				for _, path := range []string{"/v1/events", "/v1/generations/" + sampleID + "/events"} {
					revokeIn(3 * time.Second)

					began := time.Now()
					require.Equal(t, http.StatusOK, b.do("GET", path, "").Code)
					require.Equal(t, c.ends, time.Since(began), path)
				}

				revokeIn(3 * time.Second)
				require.Equal(t, c.wait, b.do("GET", "/v1/generations/"+sampleID, "", "Prefer", "wait=30").Code)
			})
		})
	}
}

// A download gives no further picture to a caller that may not have it any more.
func TestAccess_DownloadEndsWithTheCredential(t *testing.T) {
	t.Parallel()

	b := setup(t)
	a := album()
	opened := 0
	b.album = func(uuid.UUID, []uuid.UUID) (generation.Album, error) { return a, nil }
	b.open = func(generation.Picture) (io.ReadCloser, error) {
		opened++

		b.revoked.Store(new(error(auth.ErrUnauthenticated)))

		return io.NopCloser(strings.NewReader("picture")), nil
	}

	require.PanicsWithValue(t, http.ErrAbortHandler, func() { b.do("GET", "/v1/generations/download?id="+sampleID, "") })
	require.Equal(t, 1, opened)
}
