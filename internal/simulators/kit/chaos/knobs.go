// Package chaos spoils a share of everything that a simulator does at random: calls, and what else a vendor's
// table has, such as webhooks.
//
// It is seeded: the nth call of a route is treated in the same way in every run. It deals its faults like
// cards, so that a long run meets all of them, and counts them by kind. Rules win over chaos.
package chaos

import (
	"errors"
	"fmt"
	"slices"

	"imagerun/internal/simulators/kit/knobs"
)

// Knobs are the knobs of the faults that come at random. The zero value has none come.
type Knobs struct {
	// Share, 0–1, of everything that chaos spoils, each in one of the ways of the table of faults.
	Share  float64  `json:"share"`
	Only   []string `json:"only"`    // routes, names or "route/name"; empty: all
	Except []string `json:"except"`  // the same
	HoldMS int64    `json:"hold_ms"` // how long it holds and drips; 0: 2,000
	Seed   uint64   `json:"seed"`    // 0: the simulator's own
}

// Hold is how long chaos holds a call, in milliseconds.
func (k Knobs) Hold() int64 {
	if k.HoldMS > 0 {
		return k.HoldMS
	}

	return 2000
}

// Clone is a copy that shares nothing.
func (k Knobs) Clone() Knobs {
	k.Only, k.Except = slices.Clone(k.Only), slices.Clone(k.Except)

	return k
}

// Check refuses a share that is none, and names that are not in the table.
func (k Knobs) Check(table []Fault) error {
	known := map[string]bool{}

	for _, f := range table {
		known[f.Name] = true
		for _, route := range f.Routes {
			known[route], known[route+"/"+f.Name] = true, true
		}
	}

	errs := []error{knobs.CheckShare("share", k.Share), knobs.CheckCounts(k)}

	for _, name := range slices.Concat(k.Only, k.Except) {
		if !known[name] {
			errs = append(errs, fmt.Errorf("only, except: there is no route or fault %q", name))
		}
	}

	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("chaos: %w", err)
	}

	return nil
}

// permitsFault reports whether a fault may happen to a route.
func (k Knobs) permitsFault(route string, f Fault) bool {
	named := func(list []string) bool {
		return slices.Contains(list, route) || slices.Contains(list, f.Name) || slices.Contains(list, route+"/"+f.Name)
	}

	return slices.Contains(f.Routes, route) && (len(k.Only) == 0 || named(k.Only)) && !named(k.Except)
}
