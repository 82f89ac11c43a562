package queue_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
)

func TestNewKinds_Refuses(t *testing.T) {
	t.Parallel()

	fine := queue.Policy{
		Args: fineArgs{}, Queue: "q", Attempts: 1, Timeout: time.Second,
		Backoff: queue.Backoff{First: time.Second, Max: time.Second, Factor: 1},
		Final:   []string{}, Snooze: time.Second,
	}
	require.NotPanics(t, func() { queue.NewKinds(fine) })

	for name, change := range map[string]func(*queue.Policy){
		"text in arguments":    func(p *queue.Policy) { p.Args = textArgs{} },
		"text inside a list":   func(p *queue.Policy) { p.Args = listArgs{} },
		"a map":                func(p *queue.Policy) { p.Args = mapArgs{} },
		"fraction":             func(p *queue.Policy) { p.Args = floatArgs{} },
		"field without name":   func(p *queue.Policy) { p.Args = namelessArgs{} },
		"alias of the kind":    func(p *queue.Policy) { p.Aliases = []string{"test.fine"} },
		"alias that is a word": func(p *queue.Policy) { p.Aliases = []string{"Fine"} },
		"no queue":             func(p *queue.Policy) { p.Queue = "" },
		"no attempts":          func(p *queue.Policy) { p.Attempts = 0 },
		"no timeout":           func(p *queue.Policy) { p.Timeout = 500 * time.Millisecond },
		"no backoff":           func(p *queue.Policy) { p.Backoff = queue.Backoff{} },
		"no final errors":      func(p *queue.Policy) { p.Final = nil },
		"final error in words": func(p *queue.Policy) { p.Final = []string{"it broke"} },
		"final error twice":    func(p *queue.Policy) { p.Final = []string{"broken", "broken"} },
		"no snooze":            func(p *queue.Policy) { p.Snooze = 0 },
		"fraction of a second": func(p *queue.Policy) { p.Snooze = 1500 * time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			p := fine
			change(&p)
			require.Panics(t, func() { queue.NewKinds(p) })
		})
	}

	require.Panics(t, func() { queue.NewKinds(fine, fine) })
}

func TestKinds_KnowsAliases(t *testing.T) {
	t.Parallel()

	kinds := queue.NewKinds(queue.Policy{
		Args: fineArgs{}, Aliases: []string{"test.before"}, Queue: "q", Attempts: 3, Timeout: time.Second,
		Backoff: queue.Backoff{First: time.Second, Max: time.Second, Factor: 1},
		Final:   []string{}, Snooze: time.Second,
	})

	p, ok := kinds.Policy("test.before")
	require.True(t, ok)
	require.Equal(t, "test.fine", p.Args.Kind())

	_, ok = kinds.Policy("test.fin") // no prefixes
	require.False(t, ok)
	require.Equal(t, []string{"q"}, kinds.Queues())
}

func TestBackoff_Delay(t *testing.T) {
	t.Parallel()

	b := queue.Backoff{First: 2 * time.Second, Max: time.Minute, Factor: 2}
	require.Equal(t, 2*time.Second, b.Delay(1))
	require.Equal(t, 8*time.Second, b.Delay(3))
	require.Equal(t, time.Minute, b.Delay(50))

	b.Jitter = 0.2
	for range 1000 {
		d := b.Delay(2)
		require.GreaterOrEqual(t, d, 3200*time.Millisecond)
		require.LessOrEqual(t, d, 4800*time.Millisecond)
	}
}

type colour string

func (colour) Values() []string { return []string{"red", "blue"} }

type fineArgs struct {
	ID     uuid.UUID   `json:"id"`
	N      int         `json:"n"`
	Yes    bool        `json:"yes"`
	At     time.Time   `json:"at"`
	Colour colour      `json:"colour"`
	Others []uuid.UUID `json:"others"`
}

func (fineArgs) Kind() string { return "test.fine" }

type textArgs struct {
	Prompt string `json:"prompt"`
}

func (textArgs) Kind() string { return "test.text" }

type listArgs struct {
	Words []string `json:"words"`
}

func (listArgs) Kind() string { return "test.list" }

type mapArgs struct {
	Map map[string]int `json:"map"`
}

func (mapArgs) Kind() string { return "test.map" }

type floatArgs struct {
	F float64 `json:"f"`
}

func (floatArgs) Kind() string { return "test.float" }

type namelessArgs struct{ ID uuid.UUID }

func (namelessArgs) Kind() string { return "test.nameless" }
