package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// reportLifetime is how long a report is good for. Any caller may ask for readiness; the stores behind
// it are asked no more often than this.
const reportLifetime = time.Second

// State is whether a process wants work.
type State string

// The states.
const (
	Ready    State = "ready"
	Degraded State = "degraded"  // it wants work, and cannot do all of it: a minor check fails
	NotReady State = "not_ready" // a check fails: it may recover
	Draining State = "draining"  // it is stopping: it will not
)

// WantsWork reports whether work should be sent to the process.
func (s State) WantsWork() bool { return s == Ready || s == Degraded }

// Check reports whether something a process needs works. It must honour ctx.
type Check func(ctx context.Context) error

// CheckError is an error of a check that any caller may read: what is wrong, in a few words.
type CheckError string

func (e CheckError) Error() string { return string(e) }

// Report is a look at the health of a process. It is public: it says what does not work, and
// only the log says why.
type Report struct {
	State  State             `json:"status"`
	Checks map[string]string `json:"checks"` // name of the check: "ok", or what is wrong
}

// Health knows whether a process is ready.
type Health struct {
	log      *slog.Logger
	timeout  time.Duration
	draining atomic.Bool

	mu     sync.Mutex // guards the fields below, and lets the checks run once at a time
	checks map[string]Check
	minor  map[string]bool // names of checks
	last   map[string]string
	lastAt time.Time
}

// NewHealth returns a Health without checks, which is ready. Each check gets timeout (zero: 2 s).
func NewHealth(log *slog.Logger, timeout time.Duration) *Health {
	if timeout == 0 {
		timeout = 2 * time.Second
	}

	return &Health{log: log, timeout: timeout, checks: map[string]Check{}, minor: map[string]bool{}}
}

// Add adds a check. The name is a plain word such as "postgres".
func (h *Health) Add(name string, check Check) {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.checks[name] = check
}

// AddMinor adds a check of something that most of the work can do without: where it fails, the process is [Degraded].
func (h *Health) AddMinor(name string, check Check) {
	h.Add(name, check)

	h.mu.Lock()
	defer h.mu.Unlock()

	h.minor[name] = true
}

// Drain makes the process not ready from now on, so that no new work is sent to it.
func (h *Health) Drain() { h.draining.Store(true) }

// Report looks at all checks at the same time, unless it has just done so.
func (h *Health) Report(ctx context.Context) Report {
	h.mu.Lock()
	defer h.mu.Unlock()

	if h.last == nil || time.Since(h.lastAt) >= reportLifetime {
		// A caller who leaves must not make the others believe that a check failed.
		h.runChecks(context.WithoutCancel(ctx))
	}

	r := Report{State: Ready, Checks: h.last}

	for name, result := range h.last {
		switch {
		case result == "ok":
		case !h.minor[name]:
			r.State = NotReady
		case r.State == Ready:
			r.State = Degraded
		}
	}

	if h.draining.Load() {
		r.State = Draining
	}

	return r
}

// runChecks runs the checks and remembers what they said. A look is never longer than the timeout,
// even if a check does not honour its context.
func (h *Health) runChecks(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()

	type answer struct {
		name string
		err  error
	}

	answers := make(chan answer, len(h.checks))

	for name, check := range h.checks {
		go func() { answers <- answer{name: name, err: check(ctx)} }()
	}

	results := make(map[string]string, len(h.checks))
	errs := make(map[string]error, len(h.checks))

	for range h.checks {
		select {
		case a := <-answers:
			errs[a.name] = a.err
			results[a.name] = h.describeResult(a.err)
		case <-ctx.Done():
		}
	}

	for name := range h.checks {
		if _, answered := results[name]; !answered {
			errs[name] = context.DeadlineExceeded
			results[name] = h.describeResult(context.DeadlineExceeded)
		}

		h.logChange(ctx, name, results[name], errs[name])
	}

	h.last, h.lastAt = results, time.Now()
}

// describeResult is for any caller.
func (h *Health) describeResult(err error) string {
	var said CheckError

	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Sprintf("did not answer within %s", h.timeout)
	case errors.As(err, &said):
		return said.Error()
	default:
		return "does not work: the log of this process says why"
	}
}

// logChange writes to the log when a check changes its mind.
func (h *Health) logChange(ctx context.Context, name, result string, err error) {
	before := h.last[name]

	switch {
	case result == before:
	case err != nil:
		h.log.WarnContext(ctx, "readiness check failed", slog.String("check", name), slog.Any("error", err))
	case before != "":
		h.log.InfoContext(ctx, "readiness check recovered", slog.String("check", name))
	}
}
