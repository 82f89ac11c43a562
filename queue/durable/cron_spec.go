package durable

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"imagerun/queue"
)

// maxTicks bounds what one transaction stages; what is left is due at the next look.
const maxTicks = 1000

var scheduleNamePattern = regexp.MustCompile(`^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*$`)

// parsedSchedule is a schedule whose spec has been read.
type parsedSchedule struct {
	queue.Schedule

	next func(time.Time) time.Time // the first tick after
	kind string
}

func parseSchedule(s queue.Schedule, kinds queue.Kinds) (c parsedSchedule, err error) {
	switch {
	case !scheduleNamePattern.MatchString(s.Name):
		return c, fmt.Errorf("schedule %q: the name is not a lower-case word", s.Name)
	case s.Args == nil:
		return c, fmt.Errorf("schedule %s has no arguments", s.Name)
	case s.CatchUp < time.Minute:
		return c, fmt.Errorf("schedule %s: catch-up window %s, need at least 1m", s.Name, s.CatchUp)
	}

	c = parsedSchedule{Schedule: s, kind: s.Args(time.Unix(0, 0).UTC()).Kind()}

	if _, ok := kinds.Policy(c.kind); !ok {
		return c, fmt.Errorf("schedule %s: kind %q is not in the table of kinds", s.Name, c.kind)
	}

	if text, ok := strings.CutPrefix(s.Spec, "@every "); ok {
		d, err := time.ParseDuration(text)
		if err != nil || d < time.Second || d%time.Second != 0 {
			return c, fmt.Errorf("schedule %s: %q needs whole seconds, at least one", s.Name, s.Spec)
		}

		c.next = func(t time.Time) time.Time {
			step := int64(d / time.Second)

			return time.Unix((t.Unix()/step+1)*step, 0).UTC()
		}

		return c, nil
	}

	if strings.Contains(s.Spec, "=") { // TZ=…
		return c, fmt.Errorf("schedule %s: ticks are in UTC", s.Name)
	}

	spec, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(s.Spec)
	if err != nil {
		return c, fmt.Errorf("schedule %s: %w", s.Name, err)
	}

	c.next = func(t time.Time) time.Time { return spec.Next(t.UTC()) }

	if c.next(time.Unix(0, 0)).IsZero() {
		return c, fmt.Errorf("schedule %s: %q never comes", s.Name, s.Spec)
	}

	return c, nil
}

// listDueTicks returns the ticks after last and up to now that are still to be staged, and how far the
// schedule has come with them.
func (c parsedSchedule) listDueTicks(last, now time.Time) (ticks []time.Time, reached time.Time) {
	reached = last
	from := last

	if open := now.Add(-c.CatchUp); open.After(from) {
		from, reached = open, open
	}

	for t := c.next(from); !t.After(now) && len(ticks) < maxTicks; t = c.next(t) {
		ticks, reached = append(ticks, t), t
	}

	return ticks, reached
}
