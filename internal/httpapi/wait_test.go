package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
)

// finishing is running until it has succeeded, after d of the bubble's time.
func finishing(d time.Duration) func(userID, id uuid.UUID) (generation.Generation, error) {
	began := time.Now()
	running, done := sample(generation.StatusRunning, 3), sample(generation.StatusSucceeded, 5)

	return func(_, _ uuid.UUID) (generation.Generation, error) {
		if time.Since(began) >= d {
			return done, nil
		}

		return running, nil
	}
}

func TestPreferWait(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		prefer  string
		ends    time.Duration // when the generation does
		takes   time.Duration // the reply
		applied string
		post    int // status of a submit
	}{
		"EndsInTime":       {"wait=30", 5 * time.Second, 6 * time.Second, "wait=30", 201},
		"DoesNotEndInTime": {"wait=3", time.Hour, 3 * time.Second, "wait=3", 202},
		"AtMostAMinute":    {"wait=86400", time.Hour, time.Minute, "wait=60", 202},
		"AtMostAMinute64":  {"wait=9999999999", time.Hour, time.Minute, "wait=60", 202},
		"BeyondAnyNumber":  {"wait=99999999999999999999999", time.Hour, time.Minute, "wait=60", 202},
		"Quoted":           {`wait="3"; x=y`, time.Hour, 3 * time.Second, "wait=3", 202},
		"WaitThenAsync":    {"respond-async, wait=3", time.Hour, 3 * time.Second, "wait=3", 202},
		"Async":            {"respond-async", time.Hour, 0, "respond-async", 202},
		"None":             {"", time.Hour, 0, "", 202},
		"Zero":             {"wait=0", time.Hour, 0, "", 202},
		"NotANumber":       {"wait=soon", time.Hour, 0, "", 202},
		"AnotherOne":       {"return=minimal", time.Hour, 0, "", 202},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			synctest.Test(t, func(t *testing.T) {
				b := setup(t)
				b.get = finishing(c.ends)
				b.submit = func(generation.Submission) (generation.Generation, *idempotency.Record, error) {
					return sample(generation.StatusQueued, 1), nil, nil
				}

				began := time.Now()
				w := b.do("POST", "/v1/generations", smallest, "Prefer", c.prefer)
				require.Equal(t, c.post, w.Code, w.Body.String())
				require.Equal(t, c.takes, time.Since(began))
				require.Equal(t, c.applied, w.Header().Get("Preference-Applied"))
				require.Equal(t, "/v1/generations/"+sampleID, w.Header().Get("Location"))
				contractOf(t).requireConforms(t, map[int]string{201: "201", 202: "202"}[c.post], "post", "/v1/generations", w)

				b.get = finishing(c.ends)
				began = time.Now()
				w = b.do("GET", "/v1/generations/"+sampleID, "", "Prefer", c.prefer)
				require.Equal(t, http.StatusOK, w.Code)
				require.Equal(t, c.takes, time.Since(began))
				require.Equal(t, c.applied, w.Header().Get("Preference-Applied"))
			})
		})
	}
}

func TestPreferWait_ANotificationIsFasterThanLooking(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.get = finishing(500 * time.Millisecond)

		time.AfterFunc(500*time.Millisecond, func() { b.notified <- struct{}{} })

		began := time.Now()
		w := b.do("GET", "/v1/generations/"+sampleID, "", "Prefer", "wait=30")

		require.Equal(t, httpapi.GenerationStatusSucceeded, decode[httpapi.Generation](t, w).Status)
		require.Equal(t, 500*time.Millisecond, time.Since(began))
	})
}

func TestPreferWait_EndsWithTheProcess(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.get = finishing(time.Hour)

		time.AfterFunc(time.Second, func() { close(b.closing) })

		began := time.Now()
		require.Equal(t, http.StatusOK, b.do("GET", "/v1/generations/"+sampleID, "", "Prefer", "wait=30").Code)
		require.Equal(t, time.Second, time.Since(began))
	})
}

func TestPreferWait_EndsWithTheCaller(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		b.get = finishing(time.Hour)

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/v1/generations/"+sampleID, http.NoBody)
		r.Header.Set("Authorization", "Bearer alice")
		r.Header.Set("Prefer", "wait=30")

		began := time.Now()
		serve(b, r)
		require.Equal(t, time.Second, time.Since(began))
		require.NotContains(t, b.log.String(), "ERROR", "a caller who left is no error of ours")
		require.Contains(t, b.log.String(), `"status":499`)
	})
}

func TestPreferWait_DeletedMeanwhile(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		b := setup(t)
		began := time.Now()
		b.get = func(_, _ uuid.UUID) (generation.Generation, error) {
			if time.Since(began) > time.Second {
				return generation.Generation{}, generation.ErrDeleted
			}

			return sample(generation.StatusRunning, 2), nil
		}

		requireCode(t, b.do("GET", "/v1/generations/"+sampleID, "", "Prefer", "wait=30"), http.StatusGone, "deleted")
	})
}

// On a real connection a wait lasts longer than the server's own timeouts.
func TestPreferWait_RealConnection(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.get = finishing(150 * time.Millisecond)

	time.AfterFunc(200*time.Millisecond, func() { b.notified <- struct{}{} })

	server := httptest.NewUnstartedServer(b.handler)
	server.Config.WriteTimeout, server.Config.ReadTimeout = 50*time.Millisecond, 50*time.Millisecond
	server.Start()
	t.Cleanup(server.Close)

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/v1/generations/"+sampleID, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer alice")
	r.Header.Set("Prefer", "wait=20")

	reply, err := server.Client().Do(r)
	require.NoError(t, err)

	text, err := readAll(reply.Body)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())
	require.Contains(t, text, `"status":"succeeded"`)
}
