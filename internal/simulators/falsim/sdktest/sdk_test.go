package sdktest_test

import (
	"bytes"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"imagerun/internal/simulators/falsim"
	"imagerun/internal/simulators/sdkkit"
)

const key = "id:secret"

// run has fal's client play a scenario against a simulator of its own.
func run[T any](t *testing.T, scenario string, o falsim.Options, prepare ...func(*falsim.Sim)) (T, *falsim.Sim) {
	t.Helper()

	return runBy[T](t, nil, scenario, o, prepare...)
}

// runSteps does it on a clock that moves a minute on whenever the client has seen a new state,
// so that it sees every one.
func runSteps[T any](t *testing.T, scenario string, o falsim.Options) (T, *falsim.Sim) {
	t.Helper()

	return runBy[T](t, newHands(), scenario, o)
}

func runBy[T any](t *testing.T, clock *hands, scenario string, o falsim.Options, prepare ...func(*falsim.Sim)) (T, *falsim.Sim) {
	t.Helper()

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

	states := &steps{sim: sim}
	if clock != nil {
		states.move = clock.move
	}

	return sdkkit.Run[T](t, sdkkit.Script{Dir: ".", Name: "sdk.mjs", Args: []string{server.URL, used, scenario}, Stderr: states}), sim
}

// hands is a clock that only moves when told.
type hands struct {
	mu sync.Mutex
	t  time.Time
}

func newHands() *hands { return &hands{t: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)} }

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
