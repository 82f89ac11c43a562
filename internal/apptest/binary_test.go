package apptest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/apptest"
	"imagerun/internal/simulators/falsim"
)

// TestBinaries runs every process as it runs in production.
func TestBinaries(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Binaries: true, Workers: 1, Fal: falsim.Options{Duration: 200 * time.Millisecond}})
	u := p.SignUp(t, "")

	require.Equal(t, "succeeded", u.Await(t, u.Submit(t, nil).ID, 30*time.Second).Status)
	p.Quiet(t)
	p.CheckObjects(t)

	// Each stops when it is told to, says so with its exit code, and is not missed.
	for _, process := range []app.Process{app.Worker(), app.Scheduler()} {
		more := p.Spawn(t, process)
		require.Zero(t, more.Stop(), "%s: %s", process.Name, more.Log)
	}

	require.Equal(t, "succeeded", u.Await(t, u.Submit(t, nil).ID, 30*time.Second).Status)
}
