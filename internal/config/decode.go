package config

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"

	"imagerun/internal/redact"
)

// Queues says how many jobs of each queue group run at once.
type Queues map[string]int

// ParseQueues reads "generation=50,vendor=10". Its errors repeat nothing of s.
func ParseQueues(s string) (Queues, error) {
	q := Queues{}

	for part := range strings.SplitSeq(s, ",") {
		group, count, _ := strings.Cut(strings.TrimSpace(part), "=")

		n, err := strconv.Atoi(strings.TrimSpace(count))
		if err != nil {
			return nil, errors.New(`write group=count pairs such as "generation=50,vendor=10"`)
		}

		if _, twice := q[group]; twice {
			return nil, errors.New("name each queue group once")
		}

		q[group] = n
	}

	return q, q.validateGroups()
}

func (q Queues) validateGroups() error {
	for group, n := range q {
		if !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(group) {
			return errors.New("a queue group is lower-case letters, digits and underscores")
		}

		if n < 1 || n > 10_000 {
			return errors.New("a queue group runs 1 to 10000 jobs at once")
		}
	}

	return nil
}

// String writes q as ParseQueues reads it, in the order of the names.
func (q Queues) String() string {
	parts := make([]string, 0, len(q))
	for _, group := range slices.Sorted(maps.Keys(q)) {
		parts = append(parts, fmt.Sprintf("%s=%d", group, q[group]))
	}

	return strings.Join(parts, ",")
}

// decodeHook turns what YAML and the environment deliver into the types of the fields. It
// refuses the conversions that mapstructure makes by guessing: a bare 10 would be a duration
// of 10 ns, 1.5 a count of 1, and a password of digits would lose its leading zeros.
func decodeHook() mapstructure.DecodeHookFunc {
	return mapstructure.ComposeDecodeHookFunc(
		refuseGuesses,
		mapstructure.StringToTimeDurationHookFunc(),
		textToQueues,
		textToList,
		mapstructure.TextUnmarshallerHookFunc(),
	)
}

func refuseGuesses(from, to reflect.Type, data any) (any, error) {
	text := from.Kind() == reflect.String

	switch {
	case to == reflect.TypeFor[time.Duration]() && !text && from != to,
		to.Kind() == reflect.Int && from.Kind() == reflect.Float64,
		to.Kind() == reflect.Int && from.Kind() == reflect.Bool,
		to.Kind() == reflect.Bool && from.Kind() == reflect.Int,
		to.Kind() == reflect.String && !text,
		to.Kind() == reflect.Struct && !text: // a secret, a network
		return nil, errors.New("not of the type of this key")
	}

	return data, nil
}

func textToQueues(from, to reflect.Type, data any) (any, error) {
	if from.Kind() != reflect.String || to != reflect.TypeFor[Queues]() {
		return data, nil
	}

	return ParseQueues(data.(string)) //nolint:forcetypeassert // its kind is string
}

// textToList splits at commas; spaces around an entry and empty entries do not count.
func textToList(from, to reflect.Type, data any) (any, error) {
	if from.Kind() != reflect.String || to.Kind() != reflect.Slice {
		return data, nil
	}

	list := []string{}

	for part := range strings.SplitSeq(data.(string), ",") { //nolint:forcetypeassert // its kind is string
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}

	return list, nil
}

// describeType says what a key of type t takes, after "must be".
func describeType(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return `a duration with its unit, such as "30s" or "10m"`
	case t == reflect.TypeFor[Queues]():
		return `queue groups with how many jobs run at once (1 to 10000), such as "generation=50,vendor=10"`
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t == reflect.TypeFor[[]redact.Secret]():
		return "a list of secrets, or one text with commas"
	case t.Kind() == reflect.Slice && t.Elem().Kind() != reflect.String:
		return `a list of networks such as "10.0.0.0/8,192.0.2.1/32"`
	case t.Kind() == reflect.Slice:
		return "a list of texts, or one text with commas"
	default:
		return "a text: put it in quotes"
	}
}

// suggestName returns ": did you mean …?" for a name that is a slip away from a known one.
func suggestName(name string, known []string) string {
	best, least := "", len(name)/3+1

	for _, k := range known {
		if d := editDistance(name, k); d < least {
			best, least = k, d
		}
	}

	if best == "" {
		return ": config.example.yaml lists the ones that do"
	}

	return ": did you mean " + best + "?"
}

// editDistance is Levenshtein's: how many letters to add, drop or change.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}

	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1

		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}

			diagonal = row[j+1]
			row[j+1] = min(row[j]+1, row[j+1]+1, cost)
		}
	}

	return row[len(b)]
}
