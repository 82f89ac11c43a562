package durable

import (
	"context"
	"log/slog"
	"time"
)

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

	rows, err := s.q.db.JobSweep(look, s.q.pool)
	if err != nil {
		s.fail(ctx, err)

		return
	}

	ps := make([]pushing, len(rows))

	for i, r := range rows {
		s.q.metrics.count(r.Kind, r.Queue, eventLost)
		s.q.log.WarnContext(ctx, "lease ran out", slog.String("job_id", r.ID.String()), slog.String("kind", r.Kind))

		t := Task{ID: r.ID, Epoch: r.Epoch, Queue: r.Queue, Kind: r.Kind}
		ps[i] = pushing{Push: s.q.pushOf(t, r.RunAt), replaces: true}
	}

	s.q.pushAll(ctx, ps)
}

func (s *sweeper) fail(ctx context.Context, err error) {
	s.since = time.Time{}
	s.q.complain(ctx, "expired leases were not looked for", err)
}
