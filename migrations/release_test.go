package migrations_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/migrations"
)

// lastReleased is the number of the newest migration that the last release has. Whoever makes a release sets it to the
// newest that there is then: from there on, that release is the one that must run on what is added.
const lastReleased = "00060"

// TestProveLastRelease runs tests of the last release on the schema of this one, as its processes run between
// the migration and their end.
func TestProveLastRelease(t *testing.T) {
	t.Parallel()

	if os.Getenv("IMAGERUN_PROVE") == "" {
		t.Skip("takes minutes: make prove runs it")
	}

	commit := lastRelease(t)
	root := checkOut(t, commit)
	added := overlay(t, root)

	require.NotEmpty(t, added, "no migration is newer than those of the last release")
	t.Logf("the last release is the one before %s, at %s", added[0], commit)

	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-failfast", "-timeout", "20m",
		"./internal/generation/...", "./internal/credits/...", "./internal/upload/...", "./internal/idempotency/...", "./queue/durable/...")
	cmd.Dir = root
	// In their short form: they prove their own release, and have.
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "IMAGERUN_PROVE=") })

	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

// lastRelease returns the last commit without a migration that is newer than the release's.
func lastRelease(t *testing.T) string {
	t.Helper()

	first := ""

	for commit := range strings.FieldsSeq(git(t, "log", "--first-parent", "--format=%H", "--", ".")) {
		names := strings.Fields(git(t, "ls-tree", "--name-only", commit, "./"))
		if !slices.ContainsFunc(names, isNew) {
			return strings.TrimSpace(git(t, "rev-parse", first+"^"))
		}

		first = commit
	}

	t.Skip("the history does not reach back to the last release: fetch it (git fetch --unshallow)")

	return ""
}

func isNew(name string) bool {
	return strings.HasSuffix(name, ".sql") && name > lastReleased+"~" && name[0] == '0'
}

// git runs git in this folder.
func git(t *testing.T, args ...string) string {
	t.Helper()

	out, err := exec.CommandContext(t.Context(), "git", args...).Output()
	if err != nil {
		t.Skipf("git %s: %v: the last release is found in the history of a clone", args[0], err)
	}

	return string(out)
}

// checkOut puts the files of a commit into a folder of the test's own, with the programs that were built for this one.
func checkOut(t *testing.T, commit string) (root string) {
	t.Helper()

	root = t.TempDir()
	tar := exec.CommandContext(t.Context(), "tar", "-x", "-C", root)
	tar.Stdin = strings.NewReader(git(t, "-C", "..", "archive", commit))
	out, err := tar.CombinedOutput()
	require.NoError(t, err, "%s", out)

	bin, err := filepath.Abs(filepath.Join("..", ".imagerun", "bin"))
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(root, ".imagerun"), 0o755))
	require.NoError(t, os.Symlink(bin, filepath.Join(root, ".imagerun", "bin")))

	// For root, the servers' folder is elsewhere.
	t.Cleanup(func() {
		if state, err := os.Readlink(filepath.Join(root, ".imagerun", "state")); err == nil {
			require.NoError(t, os.RemoveAll(state))
		}
	})

	return root
}

// overlay puts the migrations of this release in place of those at root, but for what waits until that one is gone, and
// returns those that are new.
func overlay(t *testing.T, root string) (added []string) {
	t.Helper()

	names, err := fs.Glob(migrations.FS, "*.sql")
	require.NoError(t, err)

	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		require.NoError(t, err)

		path := filepath.Join(root, "migrations", name)

		old, err := os.ReadFile(path)
		if err == nil {
			require.True(t, bytes.Equal(old, text), "%s was released: what is to be different goes in another file", name)

			continue
		}

		if strings.HasSuffix(name, "_after.sql") {
			continue
		}

		require.NoError(t, os.WriteFile(path, text, 0o600))

		added = append(added, name)
	}

	return added
}
