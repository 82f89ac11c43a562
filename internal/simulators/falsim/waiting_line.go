package falsim

import "slices"

// waitingLine are the requests that wait for a slot, by turn.
type waitingLine []*request

// add puts a request at the end of its part of the line: low priority comes last.
func (l *waitingLine) add(r *request) {
	at := len(*l)
	if !r.low {
		if i := slices.IndexFunc(*l, func(q *request) bool { return q.low }); i >= 0 {
			at = i
		}
	}

	*l = slices.Insert(*l, at, r)
}

// removeRequest takes a request out of the line, if it is there.
func (l *waitingLine) removeRequest(r *request) {
	if i := slices.Index(*l, r); i >= 0 {
		*l = slices.Delete(*l, i, i+1)
	}
}

// positionOf is the number of requests ahead of r.
func (l *waitingLine) positionOf(r *request) int { return max(0, slices.Index(*l, r)) }
