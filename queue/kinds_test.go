package queue_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/queue"
)

var update = flag.Bool("update", false, "write the golden payloads of kinds that have none, and rewrite the others")

// TestAll_GoldenPayloads has yesterday's bytes decode to what they meant, whatever a kind's
// struct looks like today.
func TestAll_GoldenPayloads(t *testing.T) {
	t.Parallel()

	for _, p := range queue.All().Policies() {
		t.Run(p.Args.Kind(), func(t *testing.T) {
			t.Parallel()

			file := filepath.Join("testdata", p.Args.Kind()+".json")
			want := filled(reflect.TypeOf(p.Args))

			if *update {
				data, err := json.MarshalIndent(want.Interface(), "", "  ")
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(file, append(data, '\n'), 0o600))
			}

			data, err := os.ReadFile(file)
			require.NoError(t, err, "a new kind needs its payload: go test ./queue -update")

			got := reflect.New(reflect.TypeOf(p.Args))
			require.NoError(t, json.Unmarshal(data, got.Interface()))
			require.Empty(t, cmp.Diff(want.Interface(), got.Elem().Interface()))
		})
	}
}

// TestAll_HasNoStrayGolden has a payload stay for as long as its kind or an alias of it does.
func TestAll_HasNoStrayGolden(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)

	for _, f := range files {
		kind := filepath.Base(f)
		_, ok := queue.All().Policy(kind[:len(kind)-len(".json")])
		require.True(t, ok, "%s belongs to no kind", f)
	}
}

// filled returns a value of every field that is neither zero nor the same as another's.
func filled(t reflect.Type) reflect.Value {
	v := reflect.New(t).Elem()

	for i := range t.NumField() {
		switch f := v.Field(i); {
		case f.Type() == reflect.TypeFor[uuid.UUID]():
			f.Set(reflect.ValueOf(uuid.UUID{0: 0xa0 + byte(i), 6: 0x40, 8: 0x80, 15: byte(i)}))
		case f.Type() == reflect.TypeFor[time.Time]():
			f.Set(reflect.ValueOf(time.Date(2026, 1, 2, 3, 4, i, 0, time.UTC)))
		case f.CanInt():
			f.SetInt(int64(i) + 7)
		case f.Kind() == reflect.Bool:
			f.SetBool(true)
		default:
			panic("teach filled about " + f.Type().String())
		}
	}

	return v
}

func TestAll_ArgumentsHoldNothingPersonal(t *testing.T) {
	t.Parallel()

	require.NotPanics(t, func() { queue.All() }) // NewKinds walks every kind by reflection
	require.NotEmpty(t, queue.All().Policies())
}

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
