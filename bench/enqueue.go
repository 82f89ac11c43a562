package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"imagerun/internal/postgres"
	"imagerun/queue"
)

const producers = 16

func enqueueBench() bench {
	return bench{
		name:    "enqueue",
		aim:     "one by one from 16 producers, until committed and pushed: jobs/s ≥ 1.5 × River's Insert; 10,000 in one transaction, until committed: ≥ 1.5 × River's COPY (InsertManyFast)",
		jobs:    bulk,
		delayed: true,
		round:   enqueueRound,
		judge: func(m, _ map[string]figures) (map[string]float64, bool) {
			r := map[string]float64{
				"singly: ours ÷ river":                   m[ours]["singly_per_s"] / m["river"]["singly_per_s"],
				"singly: ours ÷ asynq":                   m[ours]["singly_per_s"] / m["asynq"]["singly_per_s"],
				"bulk: ours ÷ river InsertMany":          m[ours]["bulk_per_s"] / m["river"]["bulk_per_s"],
				"bulk: ours ÷ river InsertManyFast":      m[ours]["bulk_per_s"] / m["river"]["bulk_fast_per_s"],
				"bulk until pushed: ours ÷ river":        m[ours]["bulk_pushed_per_s"] / m["river"]["bulk_per_s"],
				"singly until committed: ours ÷ river":   m[ours]["singly_committed_per_s"] / m["river"]["singly_per_s"],
				"singly: ours ÷ bare rows":               m[ours]["singly_per_s"] / m["rows"]["singly_per_s"],
				"bulk, a statement each: ours ÷ river":   m[ours]["bulk_in_turn_per_s"] / m["river"]["bulk_per_s"],
				"bulk until pushed: ours ÷ asynq singly": m[ours]["bulk_pushed_per_s"] / m["asynq"]["singly_per_s"],
			}

			return r, r["singly: ours ÷ river"] >= 1.5 && r["bulk: ours ÷ river InsertManyFast"] >= 1.5
		},
	}
}

func enqueueRound(ctx context.Context, s *servers, o options) (map[string]figures, error) {
	return runInTurns(ctx, map[string]func(context.Context) (figures, error){
		ours:    func(ctx context.Context) (figures, error) { return enqueueOurs(ctx, s, o) },
		"river": func(ctx context.Context) (figures, error) { return enqueueRiver(ctx, s, o) },
		"asynq": func(ctx context.Context) (figures, error) { return enqueueAsynq(ctx, s, o) },
		"rows":  func(ctx context.Context) (figures, error) { return enqueueRows(ctx, s, o) },
	})
}

// produceJobs calls one for each of n jobs, from as many goroutines as there are producers.
func produceJobs(n int, one func(n int) error) error {
	var (
		wg   sync.WaitGroup
		next atomic.Int64
		errs [producers]error
	)

	for p := range producers {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || errs[p] != nil {
					return
				}

				errs[p] = one(i)
			}
		})
	}

	wg.Wait()

	return errors.Join(errs[:]...)
}

// measureRate returns how many jobs a second fn does.
func measureRate(jobs int, fn func() error) (float64, error) {
	began := time.Now()
	err := fn()

	return perSecond(jobs, time.Since(began)), err
}

func (o *ourSystem) stageOne(ctx context.Context, args queue.Args) error {
	return postgres.InTx(ctx, o.pool, func(tx *postgres.Tx) error {
		_, err := o.queue.Stage(ctx, tx, args)

		return err
	})
}

// stageAll stages n jobs, ten thousand in each transaction.
func (o *ourSystem) stageAll(ctx context.Context, n int) error {
	for done := 0; done < n; done += bulk {
		if err := o.stageTogether(ctx, min(bulk, n-done)); err != nil {
			return err
		}
	}

	return nil
}

// stageTogether stages n jobs in one transaction, with one statement.
func (o *ourSystem) stageTogether(ctx context.Context, n int) error {
	args := make([]queue.Args, n)
	for i := range args {
		args[i] = noop{N: int64(i)}
	}

	return postgres.InTx(ctx, o.pool, func(tx *postgres.Tx) error {
		_, err := o.queue.StageMany(ctx, tx, args...)

		return err
	})
}

// stageInTurn stages n jobs in one transaction, one statement for each.
func (o *ourSystem) stageInTurn(ctx context.Context, n int) error {
	return postgres.InTx(ctx, o.pool, func(tx *postgres.Tx) error {
		for i := range n {
			if _, err := o.queue.Stage(ctx, tx, noop{N: int64(i)}); err != nil {
				return err
			}
		}

		return nil
	})
}

func enqueueOurs(ctx context.Context, s *servers, o options) (figures, error) {
	f := figures{}

	single, err := newOurs(ctx, s, benchKinds(), producers)
	if err != nil {
		return nil, err
	}
	defer single.close()

	f["singly_per_s"], err = measureRate(o.jobs, func() (err error) {
		f["singly_committed_per_s"], err = measureRate(o.jobs, func() error {
			return produceJobs(o.jobs, func(n int) error { return single.stageOne(ctx, noop{N: int64(n)}) })
		})
		if err != nil {
			return err
		}

		return single.waitPending(ctx, o.jobs)
	})
	if err != nil {
		return nil, err
	}

	together, err := newOurs(ctx, s, benchKinds(), producers)
	if err != nil {
		return nil, err
	}
	defer together.close()

	f["bulk_pushed_per_s"], err = measureRate(o.jobs, func() (err error) {
		f["bulk_per_s"], err = measureRate(o.jobs, func() error { return together.stageTogether(ctx, o.jobs) })
		if err != nil {
			return err
		}

		return together.waitPending(ctx, o.jobs)
	})
	if err != nil {
		return nil, err
	}

	f["bulk_in_turn_per_s"], err = measureRate(o.jobs, func() error { return together.stageInTurn(ctx, o.jobs) })

	return f, err
}

func enqueueRiver(ctx context.Context, s *servers, o options) (figures, error) {
	sys, err := newRiver(ctx, s)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	f := figures{}

	f["singly_per_s"], err = measureRate(o.jobs, func() error {
		return produceJobs(o.jobs, func(n int) error {
			_, err := sys.insert.Insert(ctx, noop{N: int64(n)}, nil)

			return err
		})
	})
	if err != nil {
		return nil, err
	}

	f["bulk_per_s"], err = measureRate(o.jobs, func() error {
		_, err := sys.insert.InsertMany(ctx, sys.insertParams(o.jobs))

		return err
	})
	if err != nil {
		return nil, err
	}

	f["bulk_fast_per_s"], err = measureRate(o.jobs, func() error {
		_, err := sys.insert.InsertManyFast(ctx, sys.insertParams(o.jobs))

		return err
	})

	return f, err
}

func enqueueAsynq(ctx context.Context, s *servers, o options) (figures, error) {
	sys, err := newAsynq(s, producers)
	if err != nil {
		return nil, err
	}
	defer sys.close()

	f := figures{}
	f["singly_per_s"], err = measureRate(o.jobs, func() error {
		return produceJobs(o.jobs, func(n int) error { return sys.enqueueNumber(ctx, int64(n)) })
	})

	return f, err
}

// enqueueRows is no queue but its limit on this machine: a transaction that inserts one row of
// an id into a table with nothing but its primary key.
func enqueueRows(ctx context.Context, s *servers, o options) (figures, error) {
	_, owner, err := s.newDatabase(ctx)
	if err != nil {
		return nil, err
	}

	pool, err := openPool(ctx, owner, nil)
	if err != nil {
		return nil, err
	}
	defer pool.Close()

	if _, err := pool.Exec(ctx, "create table bare (id uuid primary key, n bigint)"); err != nil {
		return nil, err
	}

	f := figures{}
	f["singly_per_s"], err = measureRate(o.jobs, func() error {
		return produceJobs(o.jobs, func(n int) error {
			return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
				_, err := tx.Exec(ctx, "insert into bare values (gen_random_uuid(), $1)", n)

				return err
			})
		})
	})

	return f, err
}
