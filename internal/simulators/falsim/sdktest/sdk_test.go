package sdktest_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/simulators/falsim"
)

const key = "id:secret"

var installed sync.Once //nolint:gochecknoglobals // the folder is one, too

// install runs npm ci when node_modules is not what package-lock.json says, one test binary at
// a time; scripts/deps.sh leaves the same mark.
func install(t *testing.T) {
	t.Helper()

	lock, err := os.Open("package.json")
	require.NoError(t, err)

	defer lock.Close() // and with it the lock

	require.NoError(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))

	want, err := os.ReadFile("package-lock.json")
	require.NoError(t, err)

	const stamp = "node_modules/.installed-lock.json"
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, want) {
		return
	}

	out, err := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund").CombinedOutput()
	require.NoError(t, err, "npm ci: %s", out)
	require.NoError(t, os.WriteFile(stamp, want, 0o600))
}

// run has fal's client play a scenario against a simulator of its own.
func run[T any](t *testing.T, scenario string, o falsim.Options, prepare ...func(*falsim.Sim)) (T, *falsim.Sim) {
	t.Helper()

	return runBy[T](t, nil, scenario, o, prepare...)
}

// runSteps does it on a clock that moves a minute on whenever the client has seen a new state,
// so that it sees every one.
func runSteps[T any](t *testing.T, scenario string, o falsim.Options) (T, *falsim.Sim) {
	t.Helper()

	return runBy[T](t, &hands{t: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}, scenario, o)
}

func runBy[T any](t *testing.T, clock *hands, scenario string, o falsim.Options, prepare ...func(*falsim.Sim)) (T, *falsim.Sim) {
	t.Helper()
	installed.Do(func() { install(t) })

	if clock != nil {
		o.Now = clock.now
	}

	o.Key, o.Seed, o.AllowPrivateCallbacks = key, 1, true
	if o.Duration == 0 {
		o.Duration = 100 * time.Millisecond
	}

	sim := falsim.New(o)
	server := httptest.NewServer(sim.Handler())
	t.Cleanup(func() {
		sim.Close()
		server.Close()
	})

	used := key

	for _, p := range prepare {
		if p == nil {
			used = "id:wrong"
		} else {
			p(sim)
		}
	}

	var said bytes.Buffer

	complaint := &steps{sim: sim}
	if clock != nil {
		complaint.move = clock.move
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	node := exec.CommandContext(ctx, "node", "sdk.mjs", server.URL, used, scenario)
	node.Stdout, node.Stderr = &said, complaint
	require.NoError(t, node.Run(), complaint.text.String())

	var out T
	require.NoError(t, json.Unmarshal(said.Bytes(), &out), said.String())

	return out, sim
}

// hands is a clock that only moves when told.
type hands struct {
	mu sync.Mutex
	t  time.Time
}

func (h *hands) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()

	return h.t
}

func (h *hands) move() {
	h.mu.Lock()
	defer h.mu.Unlock()

	h.t = h.t.Add(time.Minute)
}

// steps reads the states that the script tells, and moves the clock at each new one.
type steps struct {
	sim  *falsim.Sim
	move func() // nil: the clock moves by itself
	text bytes.Buffer
}

func (s *steps) Write(p []byte) (int, error) {
	for _, state := range []string{"IN_QUEUE", "IN_PROGRESS"} {
		if s.move != nil && bytes.Contains(p, []byte(state)) && !bytes.Contains(s.text.Bytes(), []byte(state)) {
			s.move()
			s.sim.Tick()
		}
	}

	return s.text.Write(p)
}

func wrongKey() func(*falsim.Sim) { return nil }

// status is what the queue says of a request.
type status struct {
	Status        string    `json:"status"`
	RequestID     string    `json:"request_id"`
	GatewayID     string    `json:"gateway_request_id"`
	ResponseURL   string    `json:"response_url"`
	QueuePosition *int      `json:"queue_position"`
	Logs          []logLine `json:"logs"`
	Metrics       struct {
		InferenceTime float64 `json:"inference_time"`
	} `json:"metrics"`
}

type logLine struct {
	Message string `json:"message"`
}

type result struct {
	RequestID string `json:"requestId"` //nolint:tagliatelle // the client's own
	Data      struct {
		Images []struct {
			URL    string `json:"url"`
			Width  int    `json:"width"`
			Height int    `json:"height"`
		} `json:"images"`
		Seed   int64  `json:"seed"`
		Prompt string `json:"prompt"`
	} `json:"data"`
}

type download struct {
	Status int    `json:"status"`
	Type   string `json:"type"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// failure is an error of the client's.
type failure struct {
	Value       any    `json:"value"`
	Name        string `json:"name"`
	Message     string `json:"message"`
	Status      int    `json:"status"`
	RequestID   string `json:"requestId"` //nolint:tagliatelle // the client's own
	API         bool   `json:"api"`
	Validation  bool   `json:"validation"`
	UserTimeout bool   `json:"userTimeout"` //nolint:tagliatelle // the client's own
	Body        struct {
		Status string `json:"status"`
		Detail any    `json:"detail"`
	} `json:"body"`
	Fields []field `json:"fields"`
	Images []field `json:"images"`
}

type field struct {
	Loc  []any  `json:"loc"`
	Msg  string `json:"msg"`
	Type string `json:"type"`
}
