package asynqueue

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	pipeMost    = 200             // scripts in one round trip
	pipeLines   = 2               // round trips under way at once, for each queue
	pipeTimeout = 5 * time.Second // of one
)

// pipe is a client that sends the scripts of many callers in one round trip: what is asked for
// while others are under way goes together, so the first goes at once. Each queue has lines of its
// own: in a cluster one may be on a node that does not answer. It also announces what scripts push
// to asynq's queues, once for each round trip.
type pipe struct {
	redis.UniversalClient

	mu    sync.Mutex
	lines map[string]*lines // by queue
}

// lines are the round trips of one queue.
type lines struct {
	flying int
	calls  []*scripted // not yet sent
}

// scripted is one call of a script.
type scripted struct {
	sha1 string
	keys []string
	args []any
	cmd  *redis.Cmd
	done chan struct{}
}

// EvalSha implements redis.Scripter. A caller whose ctx ends does not hear what became of it.
func (p *pipe) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	c := &scripted{sha1: sha1, keys: keys, args: args, done: make(chan struct{})}

	p.mu.Lock()

	l := p.of(keys)
	l.calls = append(l.calls, c)

	if l.flying < pipeLines {
		l.flying++

		go p.work(context.WithoutCancel(ctx), l)
	}

	p.mu.Unlock()

	select {
	case <-c.done:
		return c.cmd
	case <-ctx.Done():
		cmd := redis.NewCmd(ctx)
		cmd.SetErr(ctx.Err())

		return cmd
	}
}

// Eval implements redis.Scripter: it is for a script that Redis does not have yet.
func (p *pipe) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	cmd := p.UniversalClient.Eval(ctx, script, keys, args...)

	if pushes(keys) && cmd.Err() == nil {
		_ = p.Publish(ctx, wakeChannel(queueOf(keys[1])), "").Err() // lost, it costs a pause
	}

	return cmd
}

// of returns the lines for a script with these keys. Callers hold mu.
func (p *pipe) of(keys []string) *lines {
	queue := ""
	if len(keys) > 0 {
		queue = queueOf(keys[0])
	}

	if p.lines == nil {
		p.lines = map[string]*lines{}
	}

	if p.lines[queue] == nil {
		p.lines[queue] = &lines{}
	}

	return p.lines[queue]
}

// work sends what was asked for until nothing is left.
func (p *pipe) work(ctx context.Context, l *lines) {
	for {
		p.mu.Lock()

		n := min(len(l.calls), pipeMost)
		if n == 0 {
			l.flying--
			p.mu.Unlock()

			return
		}

		batch := l.calls[:n:n]
		l.calls = l.calls[n:]
		p.mu.Unlock()

		p.send(ctx, batch)
	}
}

func (p *pipe) send(ctx context.Context, batch []*scripted) {
	ctx, cancel := context.WithTimeout(ctx, pipeTimeout)
	defer cancel()

	line := p.Pipeline()
	pushed := map[string]bool{}

	for _, c := range batch {
		c.cmd = line.EvalSha(ctx, c.sha1, c.keys, c.args...)

		if pushes(c.keys) {
			pushed[queueOf(c.keys[1])] = true
		}
	}

	for queue := range pushed {
		announce := redis.NewIntCmd(ctx, "publish", wakeChannel(queue), "")
		announce.SetFirstKeyPos(1) // else it goes to another node of a cluster
		_ = line.Process(ctx, announce)
	}

	// Each command has its own error. Who is not woken looks for tasks all the same.
	_, _ = line.Exec(ctx)

	for _, c := range batch {
		close(c.done)
	}
}

// pushes recognises the script by which asynq's clients push a task that is due: its keys are the
// task and the pending list.
func pushes(keys []string) bool {
	return len(keys) == 2 && strings.HasSuffix(keys[1], ":pending") && strings.Contains(keys[0], ":t:")
}
