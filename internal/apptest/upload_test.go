package apptest_test

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/apptest"
	"imagerun/internal/picture/picturetest"
	"imagerun/internal/storage"
)

// TestUpload takes a photo through the whole product; no other user can use it, and nothing of its
// metadata is anywhere in the bucket or the log.
func TestUpload(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{})
	u := p.SignUp(t, "")
	photo := picturetest.JPEGWithMetadata(picturetest.Gradient(640, 480), picturetest.EXIF(6, binary.BigEndian))

	up := u.Upload(t, "image/jpeg", photo)
	require.Equal(t, "ready", up.Status)
	require.Equal(t, []int{480, 640}, []int{up.Width, up.Height}, "upright")

	rejected := u.Upload(t, "image/png", []byte("<svg/>"))
	require.Equal(t, "rejected", rejected.Status)
	require.Equal(t, "not_a_picture", rejected.Rejection.Code)

	// Completing it again changes nothing.
	var again apptest.Upload

	u.Do(t, http.MethodPost, "/v1/uploads/"+up.ID+"/complete", nil, &again)
	require.Equal(t, up, again)

	other := p.SignUp(t, "")
	for _, call := range [][2]string{{"GET", ""}, {"DELETE", ""}, {"POST", "/complete"}} {
		require.Equal(t, http.StatusNotFound, other.Do(t, call[0], "/v1/uploads/"+up.ID+call[1], nil, nil).StatusCode, call)
	}

	p.Quiet(t)

	held := bucketText(t, p)
	for _, needle := range picturetest.Needles() {
		require.NotContains(t, held, needle)
		require.NotContains(t, p.Log.String(), needle)
	}

	require.NotContains(t, p.Log.String(), "X-Amz-Signature", "a link is a secret")
	p.CheckObjects(t)

	require.Equal(t, http.StatusNoContent, u.Do(t, http.MethodDelete, "/v1/uploads/"+up.ID, nil, nil).StatusCode)
	require.Equal(t, http.StatusNotFound, u.Do(t, http.MethodGet, "/v1/uploads/"+up.ID, nil, nil).StatusCode)
	p.Quiet(t)
	require.Empty(t, bucketText(t, p))
}

// bucketText is everything that the bucket holds.
func bucketText(t *testing.T, p *apptest.Product) string {
	t.Helper()

	var (
		all  strings.Builder
		keys []string
	)

	require.NoError(t, p.Bucket.List(t.Context(), "", func(o storage.Object) bool {
		keys = append(keys, o.Key)

		return true
	}))

	for _, key := range keys {
		r, err := p.Bucket.Get(t.Context(), key)
		require.NoError(t, err)

		_, err = io.Copy(&all, r)
		require.NoError(t, err)
		require.NoError(t, r.Close())
	}

	return all.String()
}

// TestProveUploads_Hostile sends bombs, several at a time, and thousands of mutants to a worker of
// its own process: each is refused or made a picture of, the process survives, and it stays below
// 300 MB.
func TestProveUploads_Hostile(t *testing.T) {
	t.Parallel()

	bombs, mutants := 1, 300
	if proving() {
		bombs, mutants = 5, 10_000
	}

	p := apptest.Start(t, apptest.Options{Workers: -1})
	worker := p.Spawn(t, app.Worker())

	work := make(chan picturetest.File)

	var (
		wg       sync.WaitGroup
		mu       sync.Mutex
		outcomes = map[string]int{}
	)

	for range 8 {
		u := p.SignUp(t, "")

		wg.Go(func() {
			for f := range work {
				up := u.Upload(t, f.Type, f.Body)

				outcome := up.Status
				if up.Rejection != nil {
					outcome = up.Rejection.Code
				}

				if f.Reason != "" && f.Reason != outcome {
					t.Errorf("%s: %s", f.Name, outcome)
				}

				if up.Status == "ready" {
					u.Do(t, http.MethodDelete, "/v1/uploads/"+up.ID, nil, nil)
				}

				mu.Lock()
				outcomes[outcome]++
				mu.Unlock()
			}
		})
	}

	for range bombs {
		for _, f := range picturetest.Hostile() {
			work <- f
		}
	}

	r, seeds := rand.New(rand.NewPCG(3, 4)), picturetest.Seeds()
	for range mutants {
		work <- picturetest.Mutant(r, seeds)
	}

	close(work)
	wg.Wait()

	t.Logf("outcomes %v, peak memory %d MB", outcomes, worker.PeakMemory(t)/1_000_000)
	require.Less(t, worker.PeakMemory(t), int64(300_000_000))

	for _, outcome := range []string{"ready", "damaged", "too_large", "not_a_picture"} {
		require.Positive(t, outcomes[outcome], outcome)
	}

	require.Zero(t, outcomes["inspection_failed"]+outcomes["inspecting"]+outcomes["not_received"])
	require.Zero(t, p.Count(t, `select count(*) from job where state = 'dead'`))
	p.Quiet(t)
	p.CheckObjects(t)
}
