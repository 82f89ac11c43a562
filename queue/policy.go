package queue

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"time"

	"github.com/google/uuid"
)

// Policy is one row of the table of kinds. Every field but Aliases is required.
type Policy struct {
	// Args is the zero value of the kind's arguments; its Kind method names the kind.
	Args Args
	// Aliases are names the kind had before: jobs staged under them still run.
	Aliases []string
	// Queue is where the kind waits. Queues share workers as the table of groups says.
	Queue string
	// Attempts is how often the kind may fail before it is dead; at least 1.
	Attempts int
	// Timeout ends the handler's context; at least a second.
	Timeout time.Duration
	// Backoff is the wait after a failure.
	Backoff Backoff
	// Final lists the codes of errors that end the job at once, as [Cancel] does: trying again would
	// not help. What the codes are, the worker says. Empty but not nil: none.
	Final []string
	// Snooze is how long a job that only waits for something is left alone, where its handler knows
	// no better ([Job.Snooze]); whole seconds, at least one.
	Snooze time.Duration
}

// Backoff grows from First by Factor after each failure, up to Max, and is spread by Jitter.
type Backoff struct {
	First  time.Duration
	Max    time.Duration
	Factor float64 // at least 1
	Jitter float64 // 0.2: between 80 % and 120 % of the delay
}

// Delay returns how long to wait after the given number of failures (1: the first).
func (b Backoff) Delay(failures int) time.Duration {
	d := float64(b.First) * math.Pow(b.Factor, float64(max(failures, 1)-1))
	d = min(d, float64(b.Max)) * (1 + b.Jitter*(2*rand.Float64()-1)) //nolint:gosec // spreading load, not a secret

	return time.Duration(d)
}

// Kinds is a table of kinds. The zero value holds none.
type Kinds struct {
	policies []Policy
	byName   map[string]int // kind or alias → index in policies
}

// Enum is a string type with a closed set of values, which arguments may hold.
type Enum interface {
	// Values returns every value there is.
	Values() []string
}

var (
	kindName = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`)
	oneWord  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

// NewKinds returns the table of the given policies. It panics on one that is incomplete or
// named twice, and on arguments that could hold text.
func NewKinds(policies ...Policy) Kinds {
	k := Kinds{policies: slices.Clone(policies), byName: make(map[string]int, len(policies))}

	for i, p := range k.policies {
		if err := p.checkPolicy(); err != nil {
			panic(fmt.Sprintf("kind %q: %s", p.Args.Kind(), err))
		}

		for _, name := range p.Names() {
			if _, taken := k.byName[name]; taken {
				panic(fmt.Sprintf("kind %q is in the table twice", name))
			}

			k.byName[name] = i
		}
	}

	return k
}

// Policy returns the policy of a kind, which may be given by an alias.
func (k Kinds) Policy(kind string) (Policy, bool) {
	i, ok := k.byName[kind]
	if !ok {
		return Policy{}, false
	}

	return k.policies[i], true
}

// Policies returns every policy, in the order of the table.
func (k Kinds) Policies() []Policy { return slices.Clone(k.policies) }

// Queues returns the name of every queue once, sorted.
func (k Kinds) Queues() []string {
	var names []string
	for _, p := range k.policies {
		names = append(names, p.Queue)
	}

	slices.Sort(names)

	return slices.Compact(names)
}

// Names returns the kind's name, and those that it had before.
func (p Policy) Names() []string { return append([]string{p.Args.Kind()}, p.Aliases...) }

func (p Policy) checkPolicy() error {
	for _, name := range p.Names() {
		if !kindName.MatchString(name) {
			return fmt.Errorf("name %q is not of the form domain.verb", name)
		}
	}

	b := p.Backoff

	switch {
	case !oneWord.MatchString(p.Queue):
		return fmt.Errorf("queue %q is not a lower-case word", p.Queue)
	case p.Attempts < 1:
		return fmt.Errorf("attempts %d, need at least 1", p.Attempts)
	case p.Timeout < time.Second:
		return fmt.Errorf("timeout %s, need at least 1s", p.Timeout)
	case b.First < time.Second || b.Max < b.First || b.Factor < 1 || b.Jitter < 0 || b.Jitter > 0.5:
		return fmt.Errorf("backoff %+v, need 1s ≤ first ≤ max, factor ≥ 1, 0 ≤ jitter ≤ 0.5", b)
	case p.Snooze < time.Second || p.Snooze%time.Second != 0:
		return fmt.Errorf("snooze %s, need whole seconds, at least one", p.Snooze)
	case p.Final == nil:
		return errors.New("no final errors: an empty list says that there are none")
	}

	for i, code := range p.Final {
		if !oneWord.MatchString(code) || slices.Contains(p.Final[:i], code) {
			return fmt.Errorf("final error %q is not a code, or there twice", code)
		}
	}

	return checkArgs(reflect.TypeOf(p.Args))
}

// checkArgs says why a struct may not be arguments: only ids, integers, booleans, times and
// enums can be trusted to hold nothing personal.
func checkArgs(t reflect.Type) error {
	if t.Kind() != reflect.Struct {
		return fmt.Errorf("arguments are a %s, not a struct", t)
	}

	for f := range t.Fields() {
		if !f.IsExported() || f.Tag.Get("json") == "" {
			return fmt.Errorf("field %s needs to be exported and to have a JSON name", f.Name)
		}

		if err := checkField(f.Type); err != nil {
			return fmt.Errorf("field %s: %w", f.Name, err)
		}
	}

	return nil
}

func checkField(t reflect.Type) error {
	switch {
	case t == reflect.TypeFor[uuid.UUID](), t == reflect.TypeFor[time.Time]():
		return nil
	case t.Implements(reflect.TypeFor[Enum]()) && t.Kind() == reflect.String:
		return nil
	}

	switch t.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return nil
	case reflect.Pointer, reflect.Slice:
		return checkField(t.Elem())
	default:
		return fmt.Errorf("%s is not an id, integer, boolean, time or enum", t)
	}
}
