package sdkkit

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// Install runs npm ci in a folder when its node_modules is not what its package-lock.json says, one test at a
// time on the whole machine. scripts/deps.sh leaves the same mark.
func Install(ctx context.Context, dir string) error {
	lock, err := os.Open(filepath.Join(dir, "package.json"))
	if err != nil {
		return err
	}
	defer lock.Close() // and with it the lock

	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", lock.Name(), err)
	}

	want, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return err
	}

	mark := filepath.Join(dir, "node_modules", ".installed-lock.json")
	if have, err := os.ReadFile(mark); err == nil && bytes.Equal(have, want) {
		return nil
	}

	npm := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund")
	npm.Dir = dir

	if out, err := npm.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci in %s: %w: %s", dir, err, out)
	}

	if err := os.MkdirAll(filepath.Dir(mark), 0o755); err != nil { // npm makes none for no packages
		return err
	}

	return os.WriteFile(mark, want, 0o600)
}
