package devstack

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// reaper is the shell script that every server is started through. Its first argument is the
// signal that ends the server. Before it becomes the server (same process id) it leaves behind
// a watcher, which reads from a pipe that only the starter can write to. When that pipe ends,
// the starter is gone, by whatever way, and the watcher ends the server. The watcher's parent
// is not the server: Postgres and Redis do not expect children they did not make. It ignores
// SIGHUP, which the kernel sends to the group of a stopped server whose starter has died.
const reaper = `
(
	(
		trap '' HUP INT TERM
		read -r order <&3
		[ "$order" = done ] && exit 0
		kill -s "$0" $$
		kill -s CONT $$
		n=0
		while [ $n -lt 50 ] && kill -0 $$; do
			sleep 0.1
			n=$((n + 1))
		done
		kill -s KILL $$
	) </dev/null >/dev/null 2>&1 &
)
exec 3<&-
exec "$@"
`

// command says what to start.
type command struct {
	name string // for messages
	args []string
	dir  string // working directory
	env  []string
	log  string // file that gets its output
	cred *syscall.Credential
	stop syscall.Signal // asks it to end orderly
}

// process is a running server.
type process struct {
	command

	cmd    *exec.Cmd
	reaper *os.File
	done   chan struct{} // closed once it has ended
}

func (c command) start() (*process, error) {
	out, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of %s: %w", c.name, err)
	}
	defer out.Close()

	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}
	defer r.Close()

	signal := map[syscall.Signal]string{syscall.SIGINT: "INT", syscall.SIGTERM: "TERM", syscall.SIGQUIT: "QUIT"}[c.stop]

	cmd := exec.Command("/bin/sh", append([]string{"-c", reaper, signal}, c.args...)...)
	cmd.Dir = c.dir
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}, c.env...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.ExtraFiles = []*os.File{r}
	// A group of its own: Ctrl-C in the terminal is for the starter, which ends the servers in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: c.cred}

	if err := cmd.Start(); err != nil {
		_ = w.Close()

		return nil, fmt.Errorf("start %s: %w", c.name, err)
	}

	p := &process{command: c, cmd: cmd, reaper: w, done: make(chan struct{})}

	go func() {
		_ = cmd.Wait()
		_, _ = io.WriteString(w, "done\n")
		_ = w.Close()

		close(p.done)
	}()

	return p, nil
}

// errEnded says that a server ended before it was ready.
var errEnded = errors.New("ended at once")

// run starts the server and returns when ready says so. One that ends at once is started again:
// its port may be held for a moment by a child of ours that is just being started.
func (c command) run(ready func(p *process) bool) (p *process, err error) {
	for range 3 {
		if p, err = c.start(); err != nil {
			return nil, err
		}

		if err = p.waitReady(func() bool { return ready(p) }); !errors.Is(err, errEnded) {
			return p, err
		}
	}

	return nil, err
}

func (p *process) processID() int { return p.cmd.Process.Pid }

func (p *process) hasEnded() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) sendSignal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) }

// end sends s and returns when the server is gone, by force after ten seconds.
func (p *process) end(s syscall.Signal) {
	p.sendSignal(s)
	p.sendSignal(syscall.SIGCONT)

	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.sendSignal(syscall.SIGKILL)
		<-p.done
	}
}

// waitReady returns when ready says so. It fails when the server ends or 60 s have passed, with
// the end of the server's log.
func (p *process) waitReady(ready func() bool) error {
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()

	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()

	for !ready() {
		select {
		case <-p.done:
			return fmt.Errorf("%s %w: %s", p.name, errEnded, readTail(p.log))
		case <-deadline.C:
			p.end(syscall.SIGKILL)

			return fmt.Errorf("%s was not ready within 60 s: %s", p.name, readTail(p.log))
		case <-tick.C:
		}
	}

	return nil
}

// readTail returns the last lines of a log.
func readTail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "no log"
	}

	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) > 6 {
		lines = lines[len(lines)-6:]
	}

	return strings.Join(lines, " | ")
}
