package durable_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/queue"
	"imagerun/queue/durable"
)

// verdicts are what a runner says of tasks that came together.
type verdicts struct {
	mu  sync.Mutex
	all map[string]durable.Verdict // by the name of the task
}

func (v *verdicts) of(t durable.Task) (verdict durable.Verdict, there bool) {
	v.mu.Lock()
	defer v.mu.Unlock()

	verdict, there = v.all[t.Name()]

	return verdict, there
}

func (v *verdicts) len() int {
	v.mu.Lock()
	defer v.mu.Unlock()

	return len(v.all)
}

func (v *verdicts) count(do durable.Action) (n int) {
	v.mu.Lock()
	defer v.mu.Unlock()

	for _, one := range v.all {
		if one.Do == do {
			n++
		}
	}

	return n
}

// start has the runner start tasks as an engine does that took them together.
func (b *bundle) start(slots *durable.Slots, tasks ...durable.Task) *verdicts {
	v := &verdicts{all: map[string]durable.Verdict{}}
	taken := make([]durable.Taken, len(tasks))

	for i, t := range tasks {
		taken[i] = durable.Taken{Task: t, Ended: func(verdict durable.Verdict) {
			v.mu.Lock()
			defer v.mu.Unlock()

			v.all[t.Name()] = verdict
		}}
	}

	slots.Take(len(tasks))
	b.runner.Start(b.t.Context(), slots, taken)

	return v
}

func (b *bundle) stageMany(n int) []durable.Task {
	tasks := make([]durable.Task, n)
	for i := range tasks {
		tasks[i] = b.stage()
	}

	return tasks
}

// blocks has every handler wait until it is let go, and says how many do.
func (b *bundle) blocks() (running *atomic.Int64, leave chan struct{}) {
	running, leave = &atomic.Int64{}, make(chan struct{})

	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		running.Add(1)
		defer running.Add(-1)

		<-leave

		return nil
	}

	return running, leave
}

// TestSlots_NoMoreHandlersThanSlots: jobs that were claimed ahead and wait for too long are another worker's,
// as if they had not been claimed.
func TestSlots_NoMoreHandlersThanSlots(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	running, leave := b.blocks()
	slots := durable.NewSlots(3)
	require.Equal(t, 3, slots.Free())

	tasks := b.stageMany(8)
	v := b.start(slots, tasks...)

	require.Zero(t, slots.Free())
	b.eventually(5*time.Second, func() bool { return v.count(durable.PutBack) == 5 })
	require.EqualValues(t, 3, running.Load())

	back := 0

	for _, task := range tasks {
		if verdict, there := v.of(task); there {
			require.Equal(t, durable.Verdict{Do: durable.PutBack, Code: durable.CodeNoSlot}, verdict)

			got := b.row(task)
			got.DueIn = 0
			require.Equal(t, row{State: "pushed", Epoch: 1}, got, "nothing is counted, and its task is the same")

			back++
		}
	}

	require.Equal(t, 5, back)
	close(leave)
	b.eventually(5*time.Second, func() bool { return v.count(durable.Ack) == 3 })
	require.Equal(t, 3, slots.Free(), "they were no short ones")
}

// TestSlots_TheNextWaitsForTheFirst: jobs that were claimed ahead begin as soon as there is a slot, in order.
func TestSlots_TheNextWaitsForTheFirst(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})

	var (
		mu    sync.Mutex
		order []string
		most  int
		now   int
	)

	b.h.handle = func(_ context.Context, job *queue.Job[probe]) error {
		mu.Lock()
		order = append(order, job.ID.String())
		now++
		most = max(most, now)
		mu.Unlock()

		<-time.After(time.Millisecond) // the work

		mu.Lock()
		now--
		mu.Unlock()

		return nil
	}

	tasks := b.stageMany(20)
	v := b.start(durable.NewSlots(1), tasks...)
	b.eventually(5*time.Second, func() bool { return v.count(durable.Ack) == 20 })
	require.Equal(t, 1, most)

	for i, task := range tasks {
		require.Equal(t, task.ID.String(), order[i])
	}
}

// TestSlots_AheadWhileHandlersAreShort: more are taken than there are slots for while handlers are short, and
// none after a long one.
func TestSlots_AheadWhileHandlersAreShort(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	slots := durable.NewSlots(4)

	b.h.handle = func(context.Context, *queue.Job[probe]) error { return nil }
	v := b.start(slots, b.stageMany(4)...)
	b.eventually(5*time.Second, func() bool { return v.count(durable.Ack) == 4 })
	require.Equal(t, 20, slots.Free())

	b.h.handle = func(context.Context, *queue.Job[probe]) error {
		<-time.After(300 * time.Millisecond) // the work

		return nil
	}
	v = b.start(slots, b.stage())
	b.eventually(5*time.Second, func() bool { return v.count(durable.Ack) == 1 })
	require.Equal(t, 4, slots.Free())
}

// TestSlots_WhatWaitsCanBeTakenAway: an operator's cancel, a stop of the worker, and another holder, reach a job
// that was claimed and waits.
func TestSlots_WhatWaitsCanBeTakenAway(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		take    func(b *bundle, waits durable.Task)
		verdict durable.Verdict
		state   string
	}{
		"Canceled": {func(b *bundle, waits durable.Task) { b.cancel(waits) }, durable.Verdict{Do: durable.Bury, Code: "canceled"}, "dead"},
		"Stopped": {
			func(b *bundle, _ durable.Task) { b.runner.Interrupt() },
			durable.Verdict{Do: durable.PutBack, Code: durable.CodeNoSlot}, "pushed",
		},
		"Stolen": {func(b *bundle, waits durable.Task) {
			b.exec(`update job set holder = gen_random_uuid() where id = $1`, waits.ID)
		}, durable.Verdict{}, "running"}, // nothing is written of what another holds
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t, durable.Timing{})
			_, leave := b.blocks()
			tasks := b.stageMany(2)
			v := b.start(durable.NewSlots(1), tasks...)
			waits := b.waits(v, tasks)

			c.take(b, waits)
			b.eventually(5*time.Second, func() bool { _, there := v.of(waits); return there })

			got, _ := v.of(waits)
			require.Equal(t, c.verdict, got)
			require.Equal(t, c.state, b.row(waits).State)
			close(leave)
			require.NoError(t, b.runner.Idle(t.Context()))
		})
	}
}

// waits returns the one of two tasks whose handler was not called: it is the later one.
func (b *bundle) waits(v *verdicts, tasks []durable.Task) durable.Task {
	b.t.Helper()
	b.eventually(5*time.Second, func() bool { return b.row(tasks[1]).State == "running" })

	_, there := v.of(tasks[1])
	require.False(b.t, there)

	return tasks[1]
}

// TestRunner_NotTaken says what becomes of tasks whose jobs are not to be had, among others that are.
func TestRunner_NotTaken(t *testing.T) {
	t.Parallel()

	b := setup(t, durable.Timing{})
	fine, paused, early, done, unknown := b.stage(), b.stage(), b.stage(durable.After(time.Hour)), b.stage(), b.stage()

	b.exec(`delete from job where id = $1`, done.ID)
	b.exec(`update job set kind = 'test.stranger' where id = $1`, unknown.ID)
	b.exec(`update job set queue = 'sleeping' where id = $1`, paused.ID)
	b.exec(`insert into queue_pause (queue, operator) values ('sleeping', 'ada')`)

	slots := durable.NewSlots(10)
	v := b.start(slots, fine, paused, early, done, unknown)
	b.eventually(5*time.Second, func() bool { return v.len() == 5 && slots.Free() >= 10 })

	for task, want := range map[durable.Task]durable.Verdict{
		fine: {}, done: {}, paused: {Do: durable.PutBack, Code: durable.CodePaused},
		unknown: {Do: durable.Again, After: 5 * time.Second, Code: "no_handler"},
	} {
		got, _ := v.of(task)
		require.Equal(t, want, got)
	}

	got, _ := v.of(early)
	require.Equal(t, "not_due", got.Code)
	require.Equal(t, "staged", b.row(paused).State)
	require.Equal(t, "staged", b.row(unknown).State)
}
