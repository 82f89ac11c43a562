// Package knobs reads and turns the settings of a running simulator, and refuses what it does not know: a
// slip of the pen must not switch nothing on.
package knobs

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// CheckOneOf refuses a word that is not known. An empty one among the known is no word: it may be given, and
// is not listed.
func CheckOneOf(name, value string, known []string) error {
	if slices.Contains(known, value) {
		return nil
	}

	return fmt.Errorf("%s: there is no %q; there are %s", name, value, strings.Join(slices.DeleteFunc(slices.Clone(known), func(s string) bool { return s == "" }), ", "))
}

// CheckShare refuses what is not 0 to 1.
func CheckShare(name string, value float64) error {
	if value >= 0 && value <= 1 {
		return nil
	}

	return fmt.Errorf("%s: must be 0 to 1", name)
}

// CheckCounts refuses every number below zero of a struct, by the name that the control surface has for it,
// but for those excepted.
func CheckCounts(knobs any, except ...string) error {
	var (
		named map[string]any
		errs  []error
	)

	text, err := json.Marshal(knobs)
	if err == nil {
		err = json.Unmarshal(text, &named)
	}

	for name, value := range named {
		if n, isNumber := value.(float64); isNumber && n < 0 && !slices.Contains(except, name) {
			errs = append(errs, fmt.Errorf("%s: must not be negative", name))
		}
	}

	return errors.Join(append(errs, err)...)
}
