package retention

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// Class is one kind of data: where it is kept, and how it goes when its time has come.
type Class struct {
	// Name is the metrics' label: a word or two, as "job_audit".
	Name string
	// Tables are where it is kept. Empty: in the bucket alone.
	Tables []Table

	// One of these says how it goes by age: in steps, by jobs of a kind with a schedule of its own, or for what reason nothing
	// deletes it so far.
	Purge  *Purge
	Job    string
	NotYet string
}

// Table is where a class is kept.
type Table struct {
	// Name is as SQL has it, with the schema unless that is public.
	Name string
	// Columns are those that could hold something of a person. All of them go as their comments say.
	Columns []string
	// After is the age at which a row goes. Zero: the row itself says when, or it goes with what it belongs to.
	After time.Duration
}

// The periods that are promised in other words than hours.
const (
	Day  = 24 * time.Hour
	Year = 365 * Day
)

// Purge is how a class goes step by step.
type Purge struct {
	Cadence Cadence
	// Batch is how much one step takes at most.
	Batch int
	// Step deletes at most batch rows of each table, in transactions of its own, and returns how many. Fewer than batch: nothing
	// is left. It may be called again after anything, and by several workers at once.
	Step func(ctx context.Context, batch int) (int, error)
}

// Cadence is how often a class is purged: by so much longer than promised a row is kept at most.
type Cadence string

// The cadences. Each has a kind of job and a schedule in package queue.
const (
	Often  Cadence = "often" // every ten minutes
	Hourly Cadence = "hourly"
	Daily  Cadence = "daily"
)

var word = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

// validateClass says what the class lacks.
func (c Class) validateClass() error {
	ways := 0

	for _, is := range []bool{c.Purge != nil, c.Job != "", c.NotYet != ""} {
		if is {
			ways++
		}
	}

	switch {
	case !word.MatchString(c.Name):
		return fmt.Errorf("class %q: its name must be words in snake case", c.Name)
	case ways != 1:
		return fmt.Errorf("class %s: it must say in one way how it goes", c.Name)
	case c.Purge == nil:
		return nil
	case c.Purge.Batch <= 0 || c.Purge.Step == nil:
		return fmt.Errorf("class %s: its purge needs a step and a batch", c.Name)
	}

	switch c.Purge.Cadence {
	case Often, Hourly, Daily:
		return nil
	default:
		return fmt.Errorf("class %s: there is no cadence %q", c.Name, c.Purge.Cadence)
	}
}

// validateClasses says what is wrong with classes together.
func validateClasses(classes []Class) error {
	var wrong []error

	seen := make(map[string]bool, len(classes))

	for _, c := range classes {
		wrong = append(wrong, c.validateClass())

		if seen[c.Name] {
			wrong = append(wrong, fmt.Errorf("class %s: it is there twice", c.Name))
		}

		seen[c.Name] = true
	}

	return errors.Join(wrong...)
}
