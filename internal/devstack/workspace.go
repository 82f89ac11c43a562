package devstack

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// workspace is where servers of one checkout keep their files.
type workspace struct {
	root    string              // of the repository
	state   string              // where servers may write
	scratch string              // where servers may write whose data is thrown away, in memory; empty: in state
	cred    *syscall.Credential // of the user that Postgres runs as; nil: as ourselves
}

// Root returns the root of the repository that contains the working directory: the nearest
// folder upwards that holds this module's go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("working directory: %w", err)
	}

	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(text), "module imagerun\n") {
			return dir, nil
		}

		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("not inside the repository: no go.mod of module imagerun here or above")
		}

		dir = up
	}
}

// findWorkspace finds the repository and makes its state folder: .imagerun/state, which for root
// is a link to a folder under /var/tmp, because Postgres may not enter a private home.
func findWorkspace() (*workspace, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}

	sum := sha256.Sum256([]byte(root))
	name := "imagerun-" + hex.EncodeToString(sum[:6])
	p := &workspace{root: root, state: filepath.Join(root, ".imagerun", "state")}
	p.scratch = findScratch(name)

	if os.Geteuid() != 0 {
		if err := os.MkdirAll(p.state, 0o700); err != nil {
			return nil, fmt.Errorf("state folder: %w", err)
		}

		return p, nil
	}

	if p.cred, err = postgresUser(); err != nil {
		return nil, err
	}

	link := p.state
	p.state = filepath.Join("/var/tmp", name)

	if err := ownFolder(p.state); err != nil {
		return nil, err
	}

	if target, err := os.Readlink(link); err != nil || target != p.state {
		_ = os.MkdirAll(filepath.Dir(link), 0o755)
		_ = os.Remove(link)

		if err := os.Symlink(p.state, link); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("link to the state folder: %w", err)
		}
	}

	return p, nil
}

// scratchSpace is the room that memory must have for the files of servers whose data is thrown away.
const scratchSpace = 8 << 30

// findScratch returns a folder of that name in memory: a database for each test is three hundred files that
// are made and removed, which takes half of the time of many tests on a disk. Where there is no such memory disk, or too little
// room, there is none.
func findScratch(name string) string {
	const memory = "/dev/shm"

	var fs syscall.Statfs_t
	if err := syscall.Statfs(memory, &fs); err != nil || uint64(fs.Bavail)*uint64(fs.Bsize) < scratchSpace { //nolint:gosec,unconvert // their types differ by system
		return ""
	}

	dir := filepath.Join(memory, name)
	if err := ownFolder(dir); err != nil {
		return ""
	}

	return dir
}

// postgresUser returns the user that Postgres runs as when we are root.
func postgresUser() (*syscall.Credential, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}

		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)

		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}

	return nil, errors.New("postgres does not run as root, and there is no user postgres or nobody to run it as")
}

// ownFolder makes a folder where any user may write, and refuses one that another user
// has put there.
func ownFolder(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("state folder: %w", err)
	}

	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}

	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("state folder %s exists and is not a folder of ours: remove it", dir)
	}

	return nil
}

// makeServerFolder makes dir for the user that Postgres runs as.
func (p *workspace) makeServerFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}

	if p.cred == nil {
		return nil
	}

	return os.Chown(dir, int(p.cred.Uid), int(p.cred.Gid))
}

// runFolder is a folder of this process. While we live we hold the lock on it.
type runFolder struct {
	dir     string
	release func() // removes it
}

// makeRunFolder makes a folder below base that is removed by a later run if this process cannot do it itself.
func makeRunFolder(base string) (run runFolder, err error) {
	runs := filepath.Join(base, "run")
	if err := os.MkdirAll(runs, 0o755); err != nil {
		return run, fmt.Errorf("run folder: %w", err)
	}

	sweepRuns(runs)

	dir := filepath.Join(runs, randomToken(6))

	l, err := lockFile(dir+".lock", true)
	if err != nil {
		return run, err
	}

	if err := os.Mkdir(dir, 0o755); err != nil {
		return run, fmt.Errorf("run folder: %w", err)
	}

	return runFolder{dir, func() {
		_ = os.RemoveAll(dir)
		_ = os.Remove(dir + ".lock")
		_ = l.Close()
	}}, nil
}

// sweepRuns removes the folders of processes that were killed. One a minute old is left alone:
// its servers may still be on their way out.
func sweepRuns(runs string) {
	locks, _ := filepath.Glob(filepath.Join(runs, "*.lock"))

	for _, path := range locks {
		if info, err := os.Stat(path); err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}

		l, err := lockFile(path, false)
		if err != nil {
			continue
		}

		_ = os.RemoveAll(strings.TrimSuffix(path, ".lock"))
		_ = os.Remove(path)
		_ = l.Close()
	}
}

// fileLock is an exclusive lock on a file. It ends with the process at the latest.
type fileLock struct{ file *os.File }

// Close ends the lock. Closing the file alone would not always: a child that is just being
// started still holds a copy of the descriptor.
func (l *fileLock) Close() error {
	_ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN)

	return l.file.Close()
}

func lockFile(path string, wait bool) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}

	how := syscall.LOCK_EX
	if !wait {
		how |= syscall.LOCK_NB
	}

	for {
		err = syscall.Flock(int(f.Fd()), how)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}

	if err != nil {
		_ = f.Close()

		return nil, fmt.Errorf("lock %s: %w", path, err)
	}

	return &fileLock{f}, nil
}

// write replaces what the file of the lock says.
func (l *fileLock) write(text string) error {
	if err := l.file.Truncate(0); err != nil {
		return err
	}

	_, err := l.file.WriteAt([]byte(text), 0)

	return err
}

// randomToken returns n random bytes in hexadecimal.
func randomToken(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)

	return hex.EncodeToString(b)
}
