package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// child is a process of the demo. A nil child is one that was not started.
type child struct {
	name string
	url  string // of its public listener, if it has one
	ops  string // of its private listener, if it has one
	cmd  *exec.Cmd
	log  string // file
	in   io.Closer

	mu       sync.Mutex
	stopping bool          // guarded by mu
	done     chan struct{} // closed when it has ended
}

// spawn starts a process whose output goes to a log file, and tells d.broken when it ends by
// itself. The child's standard input is a pipe of ours: when we die it closes, and the child ends.
func (d *demo) spawn(name string, env []string, argv ...string) (*child, error) {
	dir := filepath.Join(d.state, "log")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the log folder: %w", err)
	}

	c := &child{name: name, log: filepath.Join(dir, name+".log"), done: make(chan struct{})}

	log, err := os.Create(c.log)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer log.Close()

	c.cmd = exec.Command(argv[0], argv[1:]...) //nolint:gosec,noctx // our own binaries, ended by signal
	c.cmd.Dir = d.root
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stdout, c.cmd.Stderr = log, log
	// Its own group: Ctrl-C reaches us alone, and we end the children in order.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}

	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}

	go func() {
		_ = c.cmd.Wait() // how it ended is in ProcessState

		c.mu.Lock()
		stopping := c.stopping
		c.mu.Unlock()
		close(c.done)

		if !stopping {
			d.broken <- fmt.Errorf("%s ended by itself (%s); its last words, from %s:\n%s", name, c.cmd.ProcessState, c.log, lastWords(c.log))
		}
	}()

	return c, nil
}

// signal asks the process to end.
func (c *child) signal() {
	if c == nil {
		return
	}

	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()

	_ = c.cmd.Process.Signal(syscall.SIGTERM)
}

// wait returns when it has ended, by force if it takes too long.
func (c *child) wait() {
	if c == nil {
		return
	}

	select {
	case <-c.done:
	case <-time.After(15 * time.Second):
		_ = c.cmd.Process.Kill()
		<-c.done
	}

	_ = c.in.Close()
}

func lastWords(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}

	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))

	return string(bytes.Join(lines[max(0, len(lines)-10):], []byte("\n")))
}

// binary finds a program that was built beside this one.
func binary(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find our own program: %w", err)
	}

	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("the program %s is not beside %s: run `make build`, or simply `make demo`", name, filepath.Base(self))
	}

	return path, nil
}
