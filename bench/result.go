package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// figures are what was measured of one system: name → value. Units are in the names.
type figures map[string]float64

// ours is the name under which a round reports what is ours; names that begin with it and a dot
// are ours too.
const ours = "ours"

// result is what a bench found, as it is written to JSON.
type result struct {
	Name        string             `json:"name"`
	Ours        map[string]figures `json:"ours"`
	Peers       map[string]figures `json:"peers"`
	Ratios      map[string]float64 `json:"ratios"`
	Aim         string             `json:"aim"`
	Met         bool               `json:"met"`
	Rounds      int                `json:"rounds"`
	Jobs        int                `json:"jobs"`        // of each system in each round
	Concurrency int                `json:"concurrency"` // of our worker and of bare asynq
	// Spread has the least and the greatest of the rounds, by system and figure.
	Spread map[string]map[string][2]float64 `json:"spread"`
	// Delayed is one round with 1 ms of network.
	Delayed map[string]figures `json:"delayed_1ms,omitempty"`
	Machine machine            `json:"machine"`
	At      time.Time          `json:"at"`
}

// summarizeRounds fills in medians, spread, ratios and verdict.
func (r *result) summarizeRounds(rounds []map[string]figures, judge func(m, far map[string]figures) (map[string]float64, bool)) {
	medians := map[string]figures{}
	r.Ours, r.Peers, r.Spread = map[string]figures{}, map[string]figures{}, map[string]map[string][2]float64{}

	for system, first := range rounds[0] {
		medians[system], r.Spread[system] = figures{}, map[string][2]float64{}

		for figure := range first {
			var values []float64
			for _, round := range rounds {
				values = append(values, round[system][figure])
			}

			slices.Sort(values)
			medians[system][figure] = roundThousandths(medianOf(values))
			r.Spread[system][figure] = [2]float64{roundThousandths(values[0]), roundThousandths(values[len(values)-1])}
		}

		if isOurs(system) {
			r.Ours[system] = medians[system]
		} else {
			r.Peers[system] = medians[system]
		}
	}

	r.Ratios, r.Met = judge(medians, r.Delayed)
	for name, v := range r.Ratios {
		r.Ratios[name] = roundThousandths(v)
	}
}

func isOurs(system string) bool { return system == ours || strings.HasPrefix(system, ours+".") }

// medianOf is of sorted values.
func medianOf(values []float64) float64 {
	n := len(values)
	if n%2 == 1 {
		return values[n/2]
	}

	return (values[n/2-1] + values[n/2]) / 2
}

// percentileOf is of sorted values, by nearest rank.
func percentileOf(values []float64, p float64) float64 {
	i := int(math.Ceil(p*float64(len(values)))) - 1

	return values[min(max(i, 0), len(values)-1)]
}

func roundThousandths(v float64) float64 { return math.Round(v*1000) / 1000 }

func (r *result) printResult(out io.Writer) {
	fmt.Fprintf(out, "\n%s: %d rounds, %d jobs each; %s\n", r.Name, r.Rounds, r.Jobs, r.Machine)

	table := map[string]figures{}
	maps.Copy(table, r.Ours)
	maps.Copy(table, r.Peers)
	r.printTable(out, "median (least…greatest)", table, true)

	if r.Delayed != nil {
		r.printTable(out, "with 1 ms of network, one round", r.Delayed, false)
	}

	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, name := range slices.Sorted(maps.Keys(r.Ratios)) {
		fmt.Fprintf(w, "  %s\t%.2f\n", name, r.Ratios[name])
	}

	_ = w.Flush() // to a terminal

	verdict := "not met"
	if r.Met {
		verdict = "met"
	}

	fmt.Fprintf(out, "aim: %s: %s\n\n", r.Aim, verdict)
}

func (r *result) printTable(out io.Writer, title string, systems map[string]figures, spread bool) {
	columns := map[string]bool{}
	for _, f := range systems {
		for name := range f {
			columns[name] = true
		}
	}

	names := slices.Sorted(maps.Keys(columns))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "%s\t%s\n", title, strings.Join(names, "\t"))

	for _, system := range slices.SortedFunc(maps.Keys(systems), oursFirst) {
		cells := []string{system}

		for _, name := range names {
			v, ok := systems[system][name]
			cell := "–"

			if ok {
				cell = formatNumber(v)
				if s := r.Spread[system][name]; spread && r.Rounds > 1 {
					cell += " (" + formatNumber(s[0]) + "…" + formatNumber(s[1]) + ")"
				}
			}

			cells = append(cells, cell)
		}

		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}

	_ = w.Flush() // to a terminal
}

func oursFirst(a, b string) int {
	switch {
	case isOurs(a) == isOurs(b):
		return strings.Compare(a, b)
	case isOurs(a):
		return -1
	default:
		return 1
	}
}

func formatNumber(v float64) string {
	if math.Abs(v) >= 100 {
		return fmt.Sprintf("%.0f", v)
	}

	return fmt.Sprintf("%.1f", v)
}

func (r *result) write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("folder of results: %w", err)
	}

	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("write result: %w", err)
	}

	return os.WriteFile(filepath.Join(dir, r.Name+".json"), append(text, '\n'), 0o644)
}
