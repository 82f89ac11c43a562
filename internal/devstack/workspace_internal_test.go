package devstack

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFindProgram(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	program := func(name, version string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\necho '"+version+"'\n"), 0o755))

		return path
	}

	old := program("old", "postgres (PostgreSQL) 13.22")
	good := program("good", "postgres (PostgreSQL) 17.2 (Homebrew)")

	path, version, err := findProgram("postgres", 15, []string{filepath.Join(dir, "none"), old, good})
	require.NoError(t, err)
	require.Equal(t, good, path)
	require.Equal(t, "postgres (PostgreSQL) 17.2 (Homebrew)", version)

	_, _, err = findProgram("postgres", 15, []string{old})
	require.ErrorContains(t, err, "older than version 15: run scripts/deps.sh")

	_, _, err = findProgram("postgres", 15, nil)
	require.ErrorContains(t, err, "was not found: run scripts/deps.sh")
}

func TestSameMajor(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("15\n"), 0o600))

	require.NoError(t, sameMajor(dir, "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"))
	require.ErrorContains(t, sameMajor(dir, "postgres (PostgreSQL) 17.2"), "remove the folder")
}

func TestClaimPort(t *testing.T) {
	t.Parallel()

	p := &workspace{state: t.TempDir()}

	first, claim, err := p.claimPort(0)
	require.NoError(t, err)

	// No server listens there yet, but it is taken.
	second, other, err := p.claimPort(first)
	require.NoError(t, err)
	require.NotEqual(t, first, second)
	require.NoError(t, other.Close())

	require.NoError(t, claim.Close())

	again, claim, err := p.claimPort(first)
	require.NoError(t, err)
	require.Equal(t, first, again)
	require.NoError(t, claim.Close())
}

func TestSweepRuns(t *testing.T) {
	t.Parallel()

	runs := t.TempDir()
	long := time.Now().Add(-time.Hour)

	run := func(name string) (folder, lockFile string) {
		folder = filepath.Join(runs, name)
		require.NoError(t, os.MkdirAll(filepath.Join(folder, "postgres"), 0o700))

		lockFile = folder + ".lock"
		require.NoError(t, os.WriteFile(lockFile, nil, 0o600))
		require.NoError(t, os.Chtimes(lockFile, long, long))

		return folder, lockFile
	}

	dead, deadLock := run("dead")
	living, livingLock := run("living")

	l, err := lockFile(livingLock, false)
	require.NoError(t, err)
	defer l.Close()

	sweepRuns(runs)

	require.NoDirExists(t, dead)
	require.NoFileExists(t, deadLock)
	require.DirExists(t, living)
}
