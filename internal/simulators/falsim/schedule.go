package falsim

import "time"

// advance lets everything happen that is due. The caller holds mu.
func (s *Sim) advance() { s.Clock.Advance() }

// startAll starts what has a slot, in the order of the queue.
func (s *Sim) startAll(t time.Time) {
	for len(s.line) > 0 && (s.knobs.Slots <= 0 || s.running < s.knobs.Slots) {
		r := s.line[0]
		if r.submitted.Add(millis(s.knobs.QueueMS)).After(t) {
			return // advance comes back when its event is due
		}

		s.line.leave(r)
		s.start(r, t)
	}
}

// start lets a request run, which takes a slot.
func (s *Sim) start(r *request, t time.Time) {
	s.running++
	r.phase, r.started = running, later(t, r.submitted)

	switch end := r.started.Add(r.duration); {
	case len(r.problems) > 0 || r.model == nil: // refused before any work
		end = r.started
		s.Clock.At(end, func() { s.conclude(r, end) })
	case r.model.image && r.input.tint == nil && s.Context().Err() == nil:
		s.Go(func() { s.refer(r) })
	default:
		s.Clock.At(end, func() { s.conclude(r, end) })
	}
}

// finish ends a request with an outcome, once.
func (s *Sim) finish(r *request, t time.Time, o outcome) {
	if r.phase == done {
		return
	}

	if r.phase == running {
		s.running--
	}

	r.phase, r.finished, r.outcome = done, t, o
	r.publish(s.knobs.OlderShapes)

	if o.status == statusClientClosed {
		s.count.Cancelled++
	} else if r.webhook != "" {
		s.callBack(r)
	}

	s.count.Finished++
	close(r.over)
}

// forget drops the oldest finished requests beyond the bound.
func (s *Sim) forget() {
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

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}
