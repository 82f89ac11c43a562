package falsim

import (
	"slices"
	"time"
)

// phase is where a request is.
type phase int

const (
	queued phase = iota
	running
	done
)

// request is one accepted submission.
type request struct {
	id        string
	endpoint  string // the full model id
	app       string // owner/app: what the URLs name
	base      string // how the caller reached us
	model     *model // nil: the app has no such path
	input     input
	body      map[string]any // as it was sent, if it may be kept
	problems  []problem      // what the model will refuse
	webhook   string
	gateway   string // id of the present attempt inside fal
	tries     int    // attempts that failed and were repeated
	noRetry   bool
	noFall    bool // no fallback to another endpoint
	low       bool // priority
	storeIO   bool
	lifecycle lifecycle // of its files
	duration  time.Duration
	submitted time.Time
	started   time.Time // zero: not yet
	finished  time.Time // zero: not yet
	phase     phase
	cancelled bool
	erased    bool
	outcome   outcome       // set when done
	over      chan struct{} // closed when done
	paths     []string
}

// advance lets everything happen that is due. The caller holds mu.
func (s *Sim) advance() { s.Clock.Advance() }

// startAll starts what has a slot, in the order of the queue.
func (s *Sim) startAll(t time.Time) {
	for len(s.queue) > 0 && (s.knobs.Slots <= 0 || s.running < s.knobs.Slots) {
		r := s.queue[0]
		if r.submitted.Add(millis(s.knobs.QueueMS)).After(t) {
			return // advance comes back when its event is due
		}

		s.queue[0] = nil
		s.queue = s.queue[1:]
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

// enqueue puts a request at the end of its part of the queue: low priority comes last.
func (s *Sim) enqueue(r *request) {
	at := len(s.queue)
	if !r.low {
		if i := slices.IndexFunc(s.queue, func(q *request) bool { return q.low }); i >= 0 {
			at = i
		}
	}

	s.queue = slices.Insert(s.queue, at, r)
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
	s.publish(r)

	if o.status == statusClientClosed {
		s.count.Cancelled++
	} else if r.webhook != "" {
		s.callBack(r)
	}

	s.count.Finished++
	close(r.over)
}

// dequeue takes a waiting request out of the queue.
func (s *Sim) dequeue(r *request) {
	for i, q := range s.queue {
		if q == r {
			s.queue = append(s.queue[:i:i], s.queue[i+1:]...)

			return
		}
	}
}

// position is the number of requests ahead of r.
func (s *Sim) position(r *request) int {
	for i, q := range s.queue {
		if q == r {
			return i
		}
	}

	return 0
}

// forget drops the oldest finished requests beyond the bound.
func (s *Sim) forget() {
	for len(s.order) > s.opts.MaxRequests && s.order[0].phase == done {
		r := s.order[0]
		s.order[0] = nil
		s.order = s.order[1:]
		delete(s.requests, r.id)

		for _, p := range r.paths {
			delete(s.files, p)
		}
	}
}

// expires is when the result goes: 1 hour after completion, 6 minutes if it is 10 KB or more,
// and with payload storage 30 days, unless it is over 1 MB.
// https://fal.ai/docs/inference-api/queue/result (read 2026-11)
func (s *Sim) expires(r *request) time.Time {
	switch {
	case s.knobs.ResultTTLMS > 0:
		return r.finished.Add(millis(s.knobs.ResultTTLMS))
	case r.storeIO && len(r.outcome.body) <= 1_000_000 && !r.input.syncMode:
		return r.finished.AddDate(0, 0, 30)
	case len(r.outcome.body) >= 10_000 || r.input.syncMode:
		return r.finished.Add(6 * time.Minute)
	default:
		return r.finished.Add(time.Hour)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}

	return b
}
