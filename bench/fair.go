package main

import (
	"container/heap"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

const (
	fairSlots = 8  // of the provider
	fairUsers = 20 // who want little
	fairTasks = 5  // of each of them
)

func fairBench() bench {
	return bench{
		name:  "fair",
		aim:   "the 20 users' waits, mean and longest, ≤ 1.5 × those of an ideal round robin",
		jobs:  1000, // of the one who wants much
		round: fairRound,
		judge: func(m, _ map[string]figures) (map[string]float64, bool) {
			r := map[string]float64{
				"mean wait of the 20: ours ÷ ideal":    m[ours]["wait_mean_s"] / m["ideal"]["wait_mean_s"],
				"longest wait of the 20: ours ÷ ideal": m[ours]["wait_max_s"] / m["ideal"]["wait_max_s"],
				"mean wait of the 20: ours ÷ FIFO":     m[ours]["wait_mean_s"] / m["fifo"]["wait_mean_s"],
				"until all is done: ours ÷ FIFO":       m[ours]["all_done_s"] / m["fifo"]["all_done_s"],
			}

			return r, r["mean wait of the 20: ours ÷ ideal"] <= 1.5 && r["longest wait of the 20: ours ÷ ideal"] <= 1.5
		},
	}
}

// arrival is one generation: whose, and how long the provider takes for it, in whatever order turns are given.
type arrival struct {
	user    int // 0 is the one who wants much
	at      time.Duration
	service time.Duration
}

// fairRound has every way of giving turns do the same work: one user asks for much, and a second
// later, when all slots are taken, twenty ask for little.
func fairRound(ctx context.Context, s *servers, o options) (map[string]figures, error) {
	random := rand.New(rand.NewPCG(rand.Uint64(), 1)) //nolint:gosec // a simulation
	takes := func() time.Duration { return time.Duration((2 + 6*random.Float64()) * float64(time.Second)) }

	var arrivals []arrival

	for range o.jobs {
		arrivals = append(arrivals, arrival{0, 0, takes()})
	}

	for range fairTasks {
		for user := range fairUsers {
			arrivals = append(arrivals, arrival{1 + user, time.Second, takes()})
		}
	}

	system, err := newFair(ctx, s, arrivals)
	if err != nil {
		return nil, err
	}
	defer system.pool.Close()

	mine, err := simulateTurns(ctx, arrivals, system.nextTurns)
	if err != nil {
		return nil, err
	}

	fifo, err := simulateTurns(ctx, arrivals, func(_ context.Context, waiting []int, _ time.Duration, free int) ([]int, error) {
		return waiting[:min(free, len(waiting))], nil
	})
	if err != nil {
		return nil, err
	}

	ideal, err := simulateTurns(ctx, arrivals, roundRobin(arrivals))
	if err != nil {
		return nil, err
	}

	mine["admit_ms"] = system.spent.Seconds() * 1000 / float64(system.rounds)

	return map[string]figures{ours: mine, "fifo": fifo, "ideal": ideal}, nil
}

// chooser says which of the waiting arrivals, in the order in which they came, get the free slots.
type chooser func(ctx context.Context, waiting []int, now time.Duration, free int) ([]int, error)

// roundRobin gives the users turns one after the other, in a circle.
func roundRobin(arrivals []arrival) chooser {
	last := -1

	return func(_ context.Context, waiting []int, _ time.Duration, free int) (chosen []int, err error) {
		queues := map[int][]int{}
		for _, w := range waiting {
			queues[arrivals[w].user] = append(queues[arrivals[w].user], w)
		}

		for ; free > 0 && len(queues) > 0; free-- {
			for last = (last + 1) % (fairUsers + 1); len(queues[last]) == 0; last = (last + 1) % (fairUsers + 1) {
			}

			chosen = append(chosen, queues[last][0])
			if queues[last] = queues[last][1:]; len(queues[last]) == 0 {
				delete(queues, last)
			}
		}

		return chosen, nil
	}
}

// ending is an arrival at the provider.
type ending struct {
	at time.Duration
	w  int
}

type endings []ending

func (e endings) Len() int           { return len(e) }
func (e endings) Less(i, j int) bool { return e[i].at < e[j].at }
func (e endings) Swap(i, j int)      { e[i], e[j] = e[j], e[i] }

// Push implements [heap.Interface].
func (e *endings) Push(x any) { *e = append(*e, x.(ending)) } //nolint:forcetypeassert // nothing else is pushed

// Pop implements [heap.Interface].
func (e *endings) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]

	return last
}

// simulateTurns lets time jump from event to event and measures from arrival to turn.
func simulateTurns(ctx context.Context, arrivals []arrival, choose chooser) (figures, error) {
	var (
		now     time.Duration
		busy    = &endings{}
		waiting []int
		came    int
		waits   []float64
		much    float64
	)

	for came < len(arrivals) || len(waiting) > 0 || busy.Len() > 0 {
		for ; came < len(arrivals) && arrivals[came].at <= now; came++ {
			waiting = append(waiting, came)
		}

		if free := fairSlots - busy.Len(); free > 0 && len(waiting) > 0 {
			chosen, err := choose(ctx, waiting, now, free)
			if err != nil {
				return nil, err
			}

			if want := min(free, len(waiting)); len(chosen) != want {
				return nil, fmt.Errorf("%d of %d slots were given out", len(chosen), want)
			}

			for _, w := range chosen {
				heap.Push(busy, ending{now + arrivals[w].service, w})

				if wait := (now - arrivals[w].at).Seconds(); arrivals[w].user > 0 {
					waits = append(waits, wait)
				} else {
					much += wait
				}
			}

			waiting = slices.DeleteFunc(waiting, func(w int) bool { return slices.Contains(chosen, w) })
		}

		switch {
		case came < len(arrivals) && (busy.Len() == 0 || arrivals[came].at < (*busy)[0].at):
			now = arrivals[came].at
		case busy.Len() > 0:
			now = heap.Pop(busy).(ending).at //nolint:forcetypeassert // nothing else is in it
		}
	}

	slices.Sort(waits)

	sum := 0.0
	for _, w := range waits {
		sum += w
	}

	n := float64(len(waits))

	return figures{
		"wait_mean_s": sum / n, "wait_p95_s": percentileOf(waits, 0.95), "wait_max_s": waits[len(waits)-1],
		"other_wait_mean_s": much / float64(len(arrivals)-len(waits)), "all_done_s": now.Seconds(),
	}, nil
}
