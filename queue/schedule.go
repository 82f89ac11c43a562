package queue

import "time"

// Schedule is one row of the table of schedules: a job for each tick of a clock.
type Schedule struct {
	// Name is the row's key in the database. A renamed schedule is a new one.
	Name string
	// Spec says when: five fields of cron (minute, hour, day of the month, month, day of the week)
	// in UTC, or "@every 90s", whose ticks are aligned to 1970 so that a restart moves none.
	Spec string
	// Args makes the arguments of a tick's job.
	Args func(tick time.Time) Args
	// CatchUp is how late a tick may still be staged, after no scheduler was there to do so; older ones
	// are missed. At least a minute.
	CatchUp time.Duration
	// Overlap says what becomes of a tick whose predecessor's job still lives.
	Overlap Overlap
}

// Overlap is what happens to a tick while the job of an earlier one lives.
type Overlap int

// The policies.
const (
	Skip  Overlap = iota // no job: the one that lives does the work
	Allow                // a job for every tick
)
