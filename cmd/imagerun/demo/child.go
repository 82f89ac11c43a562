package demo

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

// minUptime is how long a process must have run for its end to be an accident, after which it is
// started again, as every platform does. One that ends sooner ends the demo.
const minUptime = 2 * time.Second

// child is a process of the demo. A nil child is one that was not started.
type child struct {
	name string
	url  string // of its public listener, if it has one
	ops  string // of its private listener, if it has one
	log  string // file
	dir  string
	env  []string
	argv []string
	done chan struct{} // closed when it has ended for good

	mu       sync.Mutex // guards the fields below
	stopping bool
	cmd      *exec.Cmd
	in       io.Closer // the child ends when it closes, as it does when we die
}

// spawnChild starts a process whose output goes to a log file, keeps it running, and tells d.broken
// when it will not run.
func (d *demo) spawnChild(name string, env []string, argv ...string) (*child, error) {
	logs := filepath.Join(d.state, "log")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, fmt.Errorf("make the log folder: %w", err)
	}

	c := &child{
		name: name, log: filepath.Join(logs, name+".log"), dir: d.root,
		env: append(os.Environ(), env...), argv: argv, done: make(chan struct{}),
	}

	_ = os.Remove(c.log) // of the last run

	if err := c.start(); err != nil {
		return nil, err
	}

	go c.restartOnExit(d)

	return c, nil
}

// start starts the process once.
func (c *child) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()

	if c.stopping {
		return nil
	}

	log, err := os.OpenFile(c.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", c.name, err)
	}
	defer log.Close()

	c.cmd = exec.Command(c.argv[0], c.argv[1:]...) //nolint:gosec,noctx // our own binaries, ended by signal
	c.cmd.Dir, c.cmd.Env = c.dir, c.env
	c.cmd.Stdout, c.cmd.Stderr = log, log
	// Its own group: Ctrl-C reaches us alone, and we end the children in order.
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}

	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}

	if err := c.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}

	return nil
}

// restartOnExit starts the process again whenever it ends by accident.
func (c *child) restartOnExit(d *demo) {
	defer close(c.done)

	for {
		began := time.Now()
		_ = c.cmd.Wait() // how it ended is in ProcessState

		c.mu.Lock()
		stopping, state := c.stopping, c.cmd.ProcessState
		c.mu.Unlock()

		if stopping {
			return
		}

		if time.Since(began) < minUptime {
			d.broken <- fmt.Errorf("%s ended by itself (%s); its last words, from %s:\n%s", c.name, state, c.log, readLastLines(c.log))

			return
		}

		d.printStep("%s ended (%s); started again", c.name, state)

		if err := c.start(); err != nil {
			d.broken <- err

			return
		}
	}
}

// askToEnd asks the process to end.
func (c *child) askToEnd() {
	if c == nil {
		return
	}

	c.mu.Lock()
	defer c.mu.Unlock()

	c.stopping = true
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

func readLastLines(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}

	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))

	return string(bytes.Join(lines[max(0, len(lines)-10):], []byte("\n")))
}

// findBinary finds a program that was built beside this one.
func findBinary(name string) (string, error) {
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
