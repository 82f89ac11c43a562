package authtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Install runs npm ci in dir when node_modules is not what package-lock.json says, one test binary at
// a time: all of them come here at once.
func Install(t testing.TB, dir string) {
	t.Helper()

	lock, err := os.Open(filepath.Join(dir, "package.json"))
	require.NoError(t, err)

	defer lock.Close() // and with it the lock

	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))

	want, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	require.NoError(t, err)

	// Written last, so that an interrupted install counts as none; scripts/deps.sh has the same mark.
	stamp := filepath.Join(dir, "node_modules", ".installed-lock.json")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, want) {
		return
	}

	npm := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	npm.Dir = dir

	out, err := npm.CombinedOutput()
	require.NoError(t, err, "npm ci in %s: %s", dir, out)
	require.NoError(t, os.WriteFile(stamp, want, 0o600))
}
