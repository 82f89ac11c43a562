package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every bench runs, measures every system and writes what it found.
func TestQuick(t *testing.T) {
	t.Parallel()

	for _, name := range benchNames() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var out bytes.Buffer

			dir := t.TempDir()
			require.NoError(t, runBenches(t.Context(), []string{"-quick", "-jobs", "30", "-concurrency", "8", "-dir", dir, name}, &out))
			require.Contains(t, out.String(), "aim: ")

			text, err := os.ReadFile(filepath.Join(dir, name+".json"))
			require.NoError(t, err)

			var r result
			require.NoError(t, json.Unmarshal(text, &r))
			require.Equal(t, name, r.Name)
			require.NotEmpty(t, r.Ours)
			require.NotEmpty(t, r.Peers)
			require.NotEmpty(t, r.Ratios)
			require.Equal(t, 1, r.Rounds)

			for system, figures := range r.Ours {
				require.NotEmpty(t, figures, system)
			}

			for name, v := range r.Ratios {
				require.Positive(t, v, name)
			}
		})
	}
}

func TestChooseBenches(t *testing.T) {
	t.Parallel()

	all, err := chooseBenches(nil)
	require.NoError(t, err)
	require.Len(t, all, 7)

	_, err = chooseBenches([]string{"speed"})
	require.ErrorContains(t, err, "there are accept, start, work, enqueue, redis, fair, inflight")
}

func TestSummarizeRounds(t *testing.T) {
	t.Parallel()

	r := result{}
	r.summarizeRounds([]map[string]figures{
		{ours: {"x": 3}, "peer": {"x": 10}}, {ours: {"x": 1}, "peer": {"x": 20}}, {ours: {"x": 100}, "peer": {"x": 30}},
	}, func(m, _ map[string]figures) (map[string]float64, bool) {
		return map[string]float64{"ratio": m[ours]["x"] / m["peer"]["x"]}, true
	})

	require.Equal(t, map[string]figures{ours: {"x": 3}}, r.Ours)
	require.Equal(t, map[string]figures{"peer": {"x": 20}}, r.Peers)
	require.Equal(t, [2]float64{1, 100}, r.Spread[ours]["x"])
	require.InDelta(t, 0.15, r.Ratios["ratio"], 1e-9)
	require.True(t, r.Met)
}

func TestPercentileOf(t *testing.T) {
	t.Parallel()

	values := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	require.InDelta(t, 5, percentileOf(values, 0.5), 0)
	require.InDelta(t, 10, percentileOf(values, 0.95), 0)
	require.InDelta(t, 5.5, medianOf(values), 0)
}
