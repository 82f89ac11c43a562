package durable

import (
	"context"
	"log/slog"
	"time"
)

// poison is how many leases in a row a job may lose before it is set aside: it probably kills
// the workers that touch it.
const poison = 3

// sweeper takes jobs back from workers that no longer extend their leases.
type sweeper struct {
	q   *Queue
	now func() time.Time

	since time.Time // Postgres has answered every pass since then; zero: the last one failed
	last  time.Time // the last pass
}

// pass acts only after Postgres has answered for one whole lease. While it was away nobody could
// extend a lease, and an outage is nobody's poison; the same goes for this process being frozen.
func (s *sweeper) pass(ctx context.Context) {
	now := s.now()

	// A gap between passes proves nothing about what the workers could do in it.
	if gap := now.Sub(s.last); s.since.IsZero() || gap > s.q.timing.Sweep+s.q.timing.Lease/3 {
		s.since = now
	}

	s.last = now

	look, cancel := context.WithTimeout(ctx, s.q.timing.Lease/3)
	defer cancel()

	if now.Sub(s.since) < s.q.timing.Lease {
		if err := s.q.pool.Ping(look); err != nil {
			s.fail(ctx, err)
		}

		return
	}

	rows, err := s.q.db.JobSweep(look, s.q.pool, poison)
	if err != nil {
		s.fail(ctx, err)

		return
	}

	var ps []pushing

	for _, r := range rows {
		s.q.metrics.count(r.Kind, r.Queue, eventLost)

		t := Task{ID: r.ID, Epoch: r.Epoch, Queue: r.Queue, Kind: r.Kind}

		if r.State == stateDead {
			s.q.metrics.count(r.Kind, r.Queue, eventDead)
			s.q.log.ErrorContext(ctx, "poison job was set aside", slog.String("job_id", r.ID.String()), slog.String("kind", r.Kind))

			one, cancel := context.WithTimeout(ctx, pushTimeout)

			if err := s.q.pusher.Bury(one, t); err != nil {
				s.q.complain(ctx, "poison task was not buried", err)
			}

			cancel()

			continue
		}

		s.q.log.WarnContext(ctx, "lease ran out", slog.String("job_id", r.ID.String()), slog.String("kind", r.Kind))

		ps = append(ps, pushing{Push: s.q.pushOf(t, r.RunAt), replaces: true})
	}

	s.q.pushAll(ctx, ps)
}

func (s *sweeper) fail(ctx context.Context, err error) {
	s.since = time.Time{}
	s.q.complain(ctx, "expired leases were not looked for", err)
}
