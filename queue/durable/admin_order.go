package durable

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"imagerun/queue/durable/db"
)

// Order is a filter together with the operator who gives the order.
type Order struct {
	Filter

	Operator string // a login name; required
	DryRun   bool   // only say which jobs the filter chooses
}

// Result is what became of an order.
type Result struct {
	Matched int         `json:"matched"` // jobs that the filter chose
	Changed []uuid.UUID `json:"changed"` // of those; empty in a dry run
	Waiting int         `json:"waiting"` // of the changed ones: canceled, and dead when a worker comes to them
}

// changeFunc changes jobs in a transaction.
type changeFunc func(ctx context.Context, tx pgx.Tx, jobs []Info) (Result, error)

// takesKey reports whether a retry of a job waits for a caller that is about to stage another of its kind and key.
func takesKey(j Info) bool {
	return j.Key != "" && (j.State == stateDead || j.State == stateCanceling)
}

// applyOrder lists what o chooses and changes it, a transaction and an audit row for each batch. An operator holds jobs
// without the rows of their domains, so nothing is waited for meanwhile: what another transaction has locked, and what
// waits says, is left out and changed alone. waits is nil where nothing else is waited for.
func (a *Admin) applyOrder(ctx context.Context, o Order, action string, waits func(Info) bool, change changeFunc) (res Result, err error) {
	if o.Operator == "" {
		return res, fmt.Errorf("%s jobs: %w operator", action, ErrUnknown)
	}

	jobs, err := a.List(ctx, o.Filter)
	res.Matched = len(jobs)

	if err != nil || o.DryRun {
		return res, err
	}

	batches := slices.Collect(slices.Chunk(jobs, adminBatch))

	for len(batches) > 0 {
		batch := batches[0]
		batches = batches[1:]

		done, left, err := a.changeBatch(ctx, o.Operator, action, batch, waits, change)
		if err != nil {
			return res, fmt.Errorf("%s jobs: %w", action, err)
		}

		res.Changed = append(res.Changed, done.Changed...)
		res.Waiting += done.Waiting
		batches = slices.AppendSeq(batches, slices.Chunk(left, 1))
	}

	return res, nil
}

// changeBatch changes jobs in one transaction, and returns those that it left out. A job alone is waited for.
func (a *Admin) changeBatch(ctx context.Context, operator, action string, jobs []Info, waits func(Info) bool, change changeFunc) (res Result, left []Info, err error) {
	// A job of the same kind and key may be staged at the same moment: look again.
	for range 3 {
		err = a.q.inTx(ctx, func(tx pgx.Tx) (err error) {
			free := jobs
			if left = nil; len(jobs) > 1 {
				if free, left, err = a.lockAvailable(ctx, tx, jobs, waits); err != nil {
					return err
				}
			}

			if res, err = change(ctx, tx, free); err != nil || len(res.Changed) == 0 {
				return err
			}

			return a.q.db.AuditAdd(ctx, tx, db.AuditAddParams{Operator: operator, Action: action, JobIds: res.Changed})
		})

		if pg, ok := errors.AsType[*pgconn.PgError](err); !ok || pg.Code != "23505" {
			break
		}
	}

	return res, left, err
}

// lockAvailable locks the jobs that nothing has to be waited for with, and returns the others as left.
func (a *Admin) lockAvailable(ctx context.Context, tx pgx.Tx, jobs []Info, waits func(Info) bool) (free, left []Info, err error) {
	ids, err := a.q.db.AdminLock(ctx, tx, collectIDs(jobs))
	if err != nil {
		return nil, nil, err
	}

	locked := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		locked[id] = true
	}

	for _, j := range jobs {
		if locked[j.ID] && (waits == nil || !waits(j)) {
			free = append(free, j)
		} else {
			left = append(left, j)
		}
	}

	return free, left, nil
}
