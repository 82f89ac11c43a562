package falsim

import "time"

// advanceClock lets everything happen that is due. The caller holds mu.
func (s *Sim) advanceClock() { s.Clock.Advance() }

// startQueued starts what has a slot, in the order of the queue.
func (s *Sim) startQueued(t time.Time) {
	for len(s.line) > 0 && (s.knobs.Slots <= 0 || s.running < s.knobs.Slots) {
		r := s.line[0]
		if r.submitted.Add(fromMillis(s.knobs.QueueMS)).After(t) {
			return // advanceClock comes back when its event is due
		}

		s.line.removeRequest(r)
		s.startRequest(r, t)
	}
}

// startRequest lets a request run, which takes a slot.
func (s *Sim) startRequest(r *request, t time.Time) {
	s.running++
	r.phase, r.started = running, laterOf(t, r.submitted)

	switch end := r.started.Add(r.duration); {
	case len(r.problems) > 0 || r.model == nil: // refused before any work
		end = r.started
		s.Clock.At(end, func() { s.endAttempt(r, end) })
	case r.model.image && r.input.tint == nil && s.Context().Err() == nil:
		s.Go(func() { s.applyReference(r) })
	default:
		s.Clock.At(end, func() { s.endAttempt(r, end) })
	}
}

// finishRequest ends a request with an outcome, once.
func (s *Sim) finishRequest(r *request, t time.Time, o outcome) {
	if r.phase == done {
		return
	}

	if r.phase == running {
		s.running--
	}

	r.phase, r.finished, r.outcome = done, t, o
	r.setResultHeaders(s.knobs.OlderShapes)

	if o.status == statusClientClosed {
		s.count.Cancelled++
	} else if r.webhook != "" {
		s.callBack(r)
	}

	s.count.Finished++
	close(r.over)
}

// forgetOldest drops the oldest finished requests beyond the bound.
func (s *Sim) forgetOldest() {
	for len(s.order) > s.opts.MaxRequests && s.order[0].phase == done {
		r := s.order[0]
		s.order[0] = nil
		s.order = s.order[1:]
		delete(s.requests, r.id)

		for _, p := range r.paths {
			delete(s.host.files, p)
		}
	}
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}
