package durable

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"imagerun/queue/durable/db"
)

const (
	maxExpired = 10000 // expired leases looked at in one pass
	sweepBatch = 500   // jobs taken back with one statement
	// outage is how many workers must have gone in the same pass for it to be no job's doing: a job takes down
	// the worker that has it.
	outageWorkers = 4
)

// sweeper takes jobs back from workers that no longer extend their leases.
type sweeper struct {
	q   *Queue
	now func() time.Time

	since  time.Time               // Postgres has taken writes in every pass since then; zero: not in the last one
	last   time.Time               // the last pass
	locked map[uuid.UUID]time.Time // jobs whose lease ran out while a transaction had locked them: when that was last seen
}

func newSweeper(q *Queue) *sweeper {
	return &sweeper{q: q, now: time.Now, locked: map[uuid.UUID]time.Time{}}
}

// runOnce acts only after Postgres has taken writes for a whole lease. While it did not no worker could extend a lease, and
// an outage is no job's doing; the same goes for this process being frozen. A worker that lives has extended its leases
// by then: it tries each heartbeat, and no try takes longer than half a lease.
func (s *sweeper) runOnce(ctx context.Context) {
	now := s.now()

	// A gap between passes proves nothing about what the workers could do in it.
	if gap := now.Sub(s.last); s.since.IsZero() || gap > s.q.timing.Sweep+s.q.timing.Lease/3 {
		s.since = now
	}

	s.last = now

	if err := s.sweepExpired(ctx, now); err != nil {
		s.since = time.Time{}
		s.q.warnThrottled(ctx, "expired leases were not swept", err)
	}
}

func (s *sweeper) sweepExpired(ctx context.Context, now time.Time) error {
	patience := s.q.timing.Lease / 3

	read, cancel := context.WithTimeout(ctx, patience)
	defer cancel()

	expired, err := s.q.db.JobExpired(read, s.q.pool, maxExpired)
	if err != nil || now.Sub(s.since) < s.q.timing.Lease {
		return err
	}

	lost, workers := s.chooseLost(expired, now)

	var pushes sync.WaitGroup // beside the next batch
	defer pushes.Wait()

	for ids := range slices.Chunk(lost, sweepBatch) {
		one, cancel := context.WithTimeout(ctx, patience)
		rows, err := s.q.db.JobSweep(one, s.q.pool, db.JobSweepParams{Ids: ids, Outage: workers >= outageWorkers})

		cancel()

		if err != nil {
			return err
		}

		pushes.Go(func() { s.pushSwept(ctx, rows) })
	}

	return nil
}

// chooseLost returns which jobs are lost, and how many workers had them. A row that its own handler has locked for
// longer than a lease could not be beaten meanwhile; once it is free the next heartbeat comes first.
func (s *sweeper) chooseLost(expired []db.JobExpiredRow, now time.Time) (lost []uuid.UUID, workers int) {
	locked, had := map[uuid.UUID]time.Time{}, map[string]bool{}

	for _, e := range expired {
		at := s.locked[e.ID]
		if e.Locked {
			at = now
		}

		if now.Sub(at) <= s.q.timing.Heartbeat*3/2 {
			locked[e.ID] = at

			continue
		}

		lost = append(lost, e.ID)
		had[string(e.Worker)] = true
	}

	s.locked = locked

	return lost, len(had)
}

func (s *sweeper) pushSwept(ctx context.Context, rows []db.JobSweepRow) {
	ps := make([]pendingPush, len(rows))

	for i, r := range rows {
		s.q.metrics.countEvent(r.Kind, r.Queue, eventLost)
		s.q.log.WarnContext(ctx, "lease expired", slog.String("job_id", r.ID.String()), slog.String("kind", r.Kind))

		t := Task{ID: r.ID, Epoch: r.Epoch, Queue: r.Queue, Kind: r.Kind}
		ps[i] = pendingPush{Push: s.q.newPush(t, fromSeconds(r.DueIn)), replaces: true}
	}

	s.q.pushAll(ctx, ps)
}
