package ratelimit

import "time"

// Limit is how often a subject may do something.
type Limit struct {
	Policy string        // its name, from a closed list: callers see it, metrics have it as a label
	Part   string        // of the subject that it counts, such as the id of a key; empty: the subject
	Quota  int           // at least 1
	Window time.Duration // within which the whole quota comes back; whole seconds
}

// emissionInterval is the time in which one of the quota comes back, as GCRA calls it. Rounded down, so that no
// subject that keeps to the limit is refused.
func (l Limit) emissionInterval() time.Duration {
	return max(l.Window/time.Duration(l.Quota), time.Microsecond).Truncate(time.Microsecond)
}

// refillTime is the time in which all of it comes back: the window, but for rounding.
func (l Limit) refillTime() time.Duration { return l.emissionInterval() * time.Duration(l.Quota) }

// Standing is how far a subject is from a limit.
type Standing struct {
	Limit

	Remaining int           // how often they may at once
	Next      time.Duration // until it is one more; zero: it is the whole quota
}

// standingAt reads the one number that GCRA keeps: how long from now until nothing of the quota is
// used any more.
func (l Limit) standingAt(lead time.Duration) Standing {
	free, s := l.refillTime()-lead, Standing{Limit: l}
	s.Remaining = int(free / l.emissionInterval())

	if lead > 0 {
		s.Next = l.emissionInterval() - free%l.emissionInterval()
	}

	return s
}

// Decision is the answer to one question.
type Decision struct {
	Allowed   bool
	Standings []Standing // one for each limit, in their order, after the decision
}

// Violated returns the limits that refused; none when it was allowed.
func (d Decision) Violated() []Standing {
	var violated []Standing

	for _, s := range d.Standings {
		if !d.Allowed && s.Remaining == 0 {
			violated = append(violated, s)
		}
	}

	return violated
}

// RetryAfter is how long until none of the limits would refuse; zero when it was allowed.
func (d Decision) RetryAfter() time.Duration {
	var wait time.Duration
	for _, s := range d.Violated() {
		wait = max(wait, s.Next)
	}

	return wait
}

// applyLimits is the rule, for n questions at once: as many are allowed as all limits have room for. Leads are as in standingAt; it
// returns those after the decision.
func applyLimits(limits []Limit, leads []time.Duration, n int) (allowed int, after []time.Duration) {
	allowed = n
	for i, l := range limits {
		allowed = min(allowed, int((l.refillTime()-leads[i])/l.emissionInterval()))
	}

	after = make([]time.Duration, len(leads))
	for i, l := range limits {
		after[i] = leads[i] + time.Duration(allowed)*l.emissionInterval()
	}

	return allowed, after
}

func newDecision(limits []Limit, allowed bool, leads []time.Duration) Decision {
	d := Decision{Allowed: allowed, Standings: make([]Standing, len(limits))}
	for i, l := range limits {
		d.Standings[i] = l.standingAt(leads[i])
	}

	return d
}
