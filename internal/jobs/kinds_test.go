package jobs_test

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

	"imagerun/internal/jobs"
)

var update = flag.Bool("update", false, "write the golden payloads of kinds that have none, and rewrite the others")

// TestKinds_GoldenPayloads has yesterday's bytes decode to what they meant, whatever a kind's
// struct looks like today.
func TestKinds_GoldenPayloads(t *testing.T) {
	t.Parallel()

	for _, p := range jobs.Kinds().Policies() {
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
			require.NoError(t, err, "a new kind needs its payload: go test ./internal/jobs -update")

			got := reflect.New(reflect.TypeOf(p.Args))
			require.NoError(t, json.Unmarshal(data, got.Interface()))
			require.Empty(t, cmp.Diff(want.Interface(), got.Elem().Interface()))
		})
	}
}

// TestKinds_HasNoStrayGolden has a payload stay for as long as its kind or an alias of it does.
func TestKinds_HasNoStrayGolden(t *testing.T) {
	t.Parallel()

	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)

	for _, f := range files {
		kind := filepath.Base(f)
		_, ok := jobs.Kinds().Policy(kind[:len(kind)-len(".json")])
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

func TestKinds_ArgumentsHoldNothingPersonal(t *testing.T) {
	t.Parallel()

	require.NotPanics(t, func() { jobs.Kinds() }) // queue.NewKinds walks every kind by reflection
	require.NotEmpty(t, jobs.Kinds().Policies())
}
