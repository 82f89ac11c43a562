package asynqueue_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// TestProveRack is promise 5 for a rack of workers that goes at once, with the intervals of production: 6,000 jobs of
// twelve workers run again within 12 seconds of the last heartbeat, beside each other.
func TestProveRack(t *testing.T) {
	t.Parallel()

	jobs := 1000
	if proving() {
		jobs = 6000
	}

	s := setup(t, devtest.Redis(t), durable.Timing{})
	s.maintain()

	var running atomic.Int64

	leave := make(chan struct{})
	s.worker(func(context.Context, *queue.Job[probe]) error {
		running.Add(1)
		<-leave

		return nil
	}, asynqueue.ServerOptions{Groups: []asynqueue.Group{{Name: "tests", Queues: map[string]int{"tests": 1}, Concurrency: jobs}}})

	// The first half of a holder is its worker's.
	_, err := s.pool.Exec(t.Context(), `insert into job (kind, queue, args, state, holder, lease_until)
		select 'test.probe', 'tests', '{"id":"00000000-0000-0000-0000-000000000000"}', 'running',
			(lpad(to_hex(n % 12), 16, '0') || substr(md5(n::text), 17))::uuid, statement_timestamp() + interval '10 seconds'
		from generate_series(1, $1::int) as n`, jobs)
	require.NoError(t, err)

	beaten := time.Now()

	s.eventually(time.Minute, func() bool { return running.Load() == int64(jobs) })
	took := time.Since(beaten)

	close(leave)
	t.Logf("%d jobs of 12 workers ran again within %s of the last heartbeat", jobs, took.Round(time.Millisecond))

	if proving() {
		require.LessOrEqual(t, took, devtest.Patience(12*time.Second))
	}

	s.eventually(time.Minute, func() bool { return len(s.counts()) == 0 })
}
