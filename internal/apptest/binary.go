package apptest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/config"
	"imagerun/internal/devstack"
)

// Binary is a process of its own, of the kind that runs in production. It ends with its test,
// and with the test binary however that ends.
type Binary struct {
	OpsURL string
	Log    *Log

	cmd   *exec.Cmd
	ended chan struct{}
}

// Spawn runs one more process as a binary and waits until it is ready.
func (p *Product) Spawn(t testing.TB, process app.Process) *Binary {
	t.Helper()

	addr := freeAddr(t)
	b := &Binary{OpsURL: "http://" + addr, Log: &Log{}, ended: make(chan struct{})}

	b.cmd = exec.Command(filepath.Join(buildBinaries(t), string(process.Name)), "--with-parent")
	b.cmd.Env = append(append(parentEnviron(), p.processEnviron(t, process.Name)...), config.Variable("ops.addr")+"="+addr)
	b.cmd.Stdout, b.cmd.Stderr = b.Log, b.Log

	lifeline, err := b.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, b.cmd.Start())

	go func() {
		_ = b.cmd.Wait()

		close(b.ended)
	}()

	t.Cleanup(func() {
		_ = lifeline.Close()

		select {
		case <-b.ended:
		case <-time.After(20 * time.Second):
			b.Kill()
		}

		checkRights(t, b.Log)
	})

	p.waitReady(t, string(process.Name), b.OpsURL)

	return b
}

// parentEnviron is ours without the variable of the tests, which a process takes for a key it does not know.
func parentEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "IMAGERUN_PROVE=") })
}

// PeakMemory returns the most memory that the process has had in RAM, in bytes.
func (b *Binary) PeakMemory(t testing.TB) int64 {
	t.Helper()

	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(b.cmd.Process.Pid), "status"))
	require.NoError(t, err)

	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 10, 64)
			require.NoError(t, err)

			return n << 10
		}
	}

	require.FailNow(t, "the system does not say")

	return 0
}

// Kill ends the process as a power cut does, and waits for its end.
func (b *Binary) Kill() {
	_ = b.cmd.Process.Kill()
	<-b.ended
}

// Stop asks the process to stop, as an operator does, and returns its exit code.
func (b *Binary) Stop() int {
	_ = b.cmd.Process.Signal(syscall.SIGTERM)
	<-b.ended

	return b.cmd.ProcessState.ExitCode()
}

//nolint:gochecknoglobals // the binaries are built once for all tests of a package
var build struct {
	once sync.Once
	dir  string
	out  []byte
	err  error
}

// buildBinaries builds the processes once and returns their folder, which is kept for the next time.
func buildBinaries(t testing.TB) string {
	t.Helper()

	build.once.Do(func() {
		root, err := devstack.Root()
		if err != nil {
			build.err = err

			return
		}

		build.dir = filepath.Join(root, ".imagerun", "test-bin")
		cmd := exec.Command("go", "build", "-o", build.dir+string(filepath.Separator), "./cmd/api", "./cmd/worker", "./cmd/scheduler")
		cmd.Dir = root
		build.out, build.err = cmd.CombinedOutput()
	})
	require.NoError(t, build.err, string(build.out))

	return build.dir
}
