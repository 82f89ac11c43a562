package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	acceptClients = 32
	acceptUsers   = 256
	// acceptWait is how long one request may take before the bench gives up.
	acceptWait = 30 * time.Second
)

func acceptBench() bench {
	return bench{
		name: "accept",
		aim:  "requests/s of 32 clients ≥ 0.6 × the same rows written by one prepared statement; p99 < 15 ms at half of that rate",
		jobs: 6_000,
		round: func(ctx context.Context, s *servers, o options) (map[string]figures, error) {
			return runInTurns(ctx, map[string]func(context.Context) (figures, error){
				ours:   func(ctx context.Context) (figures, error) { return acceptOurs(ctx, s, o) },
				"rows": func(ctx context.Context) (figures, error) { return acceptRows(ctx, s, o) },
			})
		},
		judge: func(m, _ map[string]figures) (map[string]float64, bool) {
			r := map[string]float64{
				"accepted/s: ours ÷ rows":  m[ours]["accepted_per_s"] / m["rows"]["accepted_per_s"],
				"p99 at half load ÷ 15 ms": m[ours]["half_p99_ms"] / 15,
			}

			return r, r["accepted/s: ours ÷ rows"] >= 0.6 && r["p99 at half load ÷ 15 ms"] < 1
		},
	}
}

// acceptOurs has 32 clients submit one generation after the other through the whole api, and then
// as many come as half of that rate, whether or not those before them were answered.
func acceptOurs(ctx context.Context, s *servers, o options) (figures, error) {
	p, err := newPublic(ctx, s)
	if err != nil {
		return nil, err
	}
	defer p.close()

	if _, err := p.sendFromClients(ctx, max(o.jobs/20, acceptClients)); err != nil { // connections, statements, plans
		return nil, err
	}

	began := time.Now()

	took, err := p.sendFromClients(ctx, o.jobs)
	if err != nil {
		return nil, err
	}

	f := figures{"accepted_per_s": perSecond(o.jobs, time.Since(began)), "mean_ms": meanOf(took), "p99_ms": percentileOf(took, 0.99)}

	took, err = p.sendAtRate(ctx, o.jobs/2, f["accepted_per_s"]/2)
	if err != nil {
		return nil, err
	}

	f["half_p50_ms"], f["half_p99_ms"] = percentileOf(took, 0.5), percentileOf(took, 0.99)

	return f, p.checkSameRows(ctx)
}

// sendFromClients sends n requests from all clients, each waiting for its answer before its next, and
// returns how many milliseconds each took, sorted.
func (p *public) sendFromClients(ctx context.Context, n int) ([]float64, error) {
	var (
		wg   sync.WaitGroup
		next atomic.Int64
		errs [acceptClients]error
		took = make([]float64, n)
	)

	for c := range acceptClients {
		wg.Go(func() {
			caller, err := p.dialAPI(ctx)
			if err != nil {
				errs[c] = err

				return
			}
			defer caller.close()

			for i := next.Add(1) - 1; i < int64(n) && errs[c] == nil; i = next.Add(1) - 1 {
				began := time.Now()
				errs[c] = caller.submitGeneration()
				took[i] = toMilliseconds(time.Since(began))
			}
		})
	}

	wg.Wait()
	slices.Sort(took)

	return took, errors.Join(errs[:]...)
}

// sendAtRate sends n requests at random instants, so many a second, and returns how many milliseconds
// after its instant each was answered, sorted.
func (p *public) sendAtRate(ctx context.Context, n int, perSecond float64) ([]float64, error) {
	var (
		wg   sync.WaitGroup
		errs = make([]error, n)
		took = make([]float64, n)
		idle = make(chan *caller, n)
		next = time.Now()
	)

	for i := range n {
		next = next.Add(time.Duration(rand.ExpFloat64() / perSecond * float64(time.Second)))
		at := next

		if err := pauseFor(ctx, time.Until(at)); err != nil {
			return nil, err
		}

		wg.Go(func() {
			var c *caller

			select {
			case c = <-idle:
			default:
				if c, errs[i] = p.dialAPI(ctx); errs[i] != nil {
					return
				}
			}

			errs[i] = c.submitGeneration()
			took[i] = toMilliseconds(time.Since(at))
			idle <- c
		})
	}

	wg.Wait()
	close(idle)

	for c := range idle {
		c.close()
	}

	slices.Sort(took)

	return took, errors.Join(errs...)
}

func toMilliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func meanOf(values []float64) (m float64) {
	for _, v := range values {
		m += v / float64(len(values))
	}

	return m
}

// written are the tables that an accepted generation has one row in, and which of their rows count.
var written = map[string]string{ //nolint:gochecknoglobals // a table
	"ai_image": "", "generation_event": "", "idempotency_record": "", "credit_hold": "", "credit_hold_allocation": "",
	"ledger_txn": "where kind = 'hold'", "ledger_posting": "where account = 'held'",
}

// checkSameRows makes sure that each accepted generation has what the other side writes for it, too.
func (p *public) checkSameRows(ctx context.Context) error {
	var tasks, events int64

	err := p.pool.QueryRow(ctx, `select count(*), (select sum(event_sequence) from generation_user) from ai_task`).Scan(&tasks, &events)
	if err != nil {
		return err
	}

	if tasks == 0 || events != tasks {
		return fmt.Errorf("%d generations, %d events counted", tasks, events)
	}

	for table, where := range written {
		var n int64
		if err := p.pool.QueryRow(ctx, "select count(*) from "+table+" "+where).Scan(&n); err != nil {
			return err
		}

		if n != tasks {
			return fmt.Errorf("%d generations, but %d rows of %s", tasks, n, table)
		}
	}

	return nil
}
