package asynqueue_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

type heavy struct{}

func (heavy) Kind() string { return "test.heavy" }

type light struct{}

func (light) Kind() string { return "test.light" }

type apart struct{}

func (apart) Kind() string { return "test.apart" }

// TestServer_WeightsInsideAGroup floods the heavy queue of a group. The light queue beside it gets
// its share, and a group of its own does not notice.
func TestServer_WeightsInsideAGroup(t *testing.T) {
	t.Parallel()

	client, err := asynqueue.Connect(devtest.Redis(t), 0)
	require.NoError(t, err)

	policy := func(args queue.Args, name string) queue.Policy {
		return queue.Policy{
			Args: args, Queue: name, Attempts: 1, Timeout: time.Minute,
			Backoff: queue.Backoff{First: time.Second, Max: time.Second, Factor: 1},
			Final:   []string{}, Snooze: time.Second,
		}
	}
	kinds := queue.NewKinds(policy(heavy{}, "heavy"), policy(light{}, "light"), policy(apart{}, "apart"))

	s := &system{t: t, pool: devtest.Postgres(t), client: client, pusher: asynqueue.NewPusher(client)}
	t.Cleanup(s.closeClient)
	s.queue = durable.New(s.pool, kinds, durable.Options{Pusher: s.pusher})
	s.background(s.queue.Run)
	s.background(s.queue.Maintain)

	// A Redis that is empty is one that lost everything, until the first pass has said otherwise.
	for _, name := range kinds.Queues() {
		s.eventually(10*time.Second, func() bool {
			return client.HExists(context.Background(), "durable:{"+name+"}:mark", "whole").Val()
		})
	}

	const (
		flood  = 400
		few    = 40
		weight = 4
	)

	var (
		mu    sync.Mutex
		order []string
	)

	note := func(kind string) error {
		<-time.After(2 * time.Millisecond) // the work

		mu.Lock()
		defer mu.Unlock()

		order = append(order, kind)

		return nil
	}

	// All of it waits before anybody works.
	require.NoError(t, postgres.InTx(t.Context(), s.pool, func(tx *postgres.Tx) error {
		args := slices.Repeat([]queue.Args{heavy{}}, flood)
		args = append(append(args, slices.Repeat([]queue.Args{light{}}, few)...), slices.Repeat([]queue.Args{apart{}}, few)...)
		_, err := s.queue.StageMany(t.Context(), tx, args...)

		return err
	}))

	pending := func() (n int64) {
		counts, err := s.pusher.Counts(t.Context(), kinds.Queues())
		require.NoError(t, err)

		for _, c := range counts {
			n += c.N
		}

		return n
	}
	s.eventually(30*time.Second, func() bool { return pending() == flood+2*few })

	reg := queue.NewRegistry(kinds)
	queue.Register(reg, queue.HandlerFunc[heavy](func(context.Context, *queue.Job[heavy]) error { return note("heavy") }))
	queue.Register(reg, queue.HandlerFunc[light](func(context.Context, *queue.Job[light]) error { return note("light") }))
	queue.Register(reg, queue.HandlerFunc[apart](func(context.Context, *queue.Job[apart]) error { return note("apart") }))

	server, err := asynqueue.NewServer(s.client, durable.NewRunner(s.queue, reg, durable.RunnerOptions{}), asynqueue.ServerOptions{
		Groups: []asynqueue.Group{
			{Name: "shared", Queues: map[string]int{"heavy": weight, "light": 1}, Concurrency: 2},
			{Name: "apart", Queues: map[string]int{"apart": 1}, Concurrency: 2},
		},
	})
	require.NoError(t, err)
	s.background(server.Run)

	done := func() int {
		mu.Lock()
		defer mu.Unlock()

		return len(order)
	}
	s.eventually(time.Minute, func() bool { return done() == flood+2*few })

	// Alone in its group: soon done, however long the flood is.
	last := func(kind string) (heavies int) {
		for _, k := range order[:len(order)-1-slices.Index(reversed(order), kind)] {
			if k == "heavy" {
				heavies++
			}
		}

		return heavies
	}
	require.Less(t, last("apart"), flood/2)

	// One light for four heavy ones, more or less: the choice is by lot.
	require.Less(t, last("light"), flood, "the light queue waited for the flood to end")
	require.Greater(t, last("light"), few*weight/3, "the heavy queue got less than its weight")
}

func reversed(s []string) []string {
	r := slices.Clone(s)
	slices.Reverse(r)

	return r
}
