package durable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue/durable/db"
)

var (
	// ErrNotFound says that there is no such job: it is done, or was removed.
	ErrNotFound = errors.New("there is no such job")

	// ErrUnknown says that a filter or an order names a kind, queue or state that does not exist.
	ErrUnknown = errors.New("unknown")
)

// adminBatch is how many jobs one transaction of an operator's order changes.
const adminBatch = 500

const (
	statePushed = "pushed"
	// stateCanceling is no state of the table: any of a live job's, with canceling set.
	stateCanceling = "canceling"

	codeCanceled = "canceled"

	eventRedriven = "redriven"
	eventRemoved  = "removed"
)

// Admin is what operators see of jobs and do to them. Whatever it changes leaves a row in
// job_audit, in the same transaction.
type Admin struct{ q *Queue }

// NewAdmin returns the operators' side of q. It needs no handlers: what needs one is a worker's.
func NewAdmin(q *Queue) *Admin { return &Admin{q: q} }

// States lists what [Filter].State may be, in the order of a job's life.
func States() []string {
	return []string{stateStaged, statePushed, stateRunning, stateRetrying, stateCanceling, stateDead}
}

// Filter chooses jobs. Its zero value means every job; each field that is set narrows.
type Filter struct {
	IDs       []uuid.UUID
	About     []uuid.UUID // with one of these among its arguments
	Kind      string
	Queue     string
	State     string        // one of States; empty: any
	OlderThan time.Duration // since its death for a dead job, else since it was staged first
	Limit     int           // the most jobs; zero: all
}

// Info is a job as operators see it.
type Info struct {
	ID         uuid.UUID       `json:"id"`
	Kind       string          `json:"kind"`
	Queue      string          `json:"queue"`
	State      string          `json:"state"` // as in Filter
	Args       json.RawMessage `json:"args"`  // ids, integers, booleans, times and enums
	Key        string          `json:"key,omitempty"`
	Epoch      int32           `json:"epoch"`      // names the task in Redis: id:epoch
	Attempt    int32           `json:"attempt"`    // failed attempts so far
	Lost       int16           `json:"lost"`       // leases lost in a row
	ErrorCode  string          `json:"error_code"` // of the last failure; empty: none
	RunAt      time.Time       `json:"run_at"`
	CreatedAt  time.Time       `json:"created_at"`
	LeaseUntil *time.Time      `json:"lease_until,omitempty"`
	DiedAt     *time.Time      `json:"died_at,omitempty"`
}

// Audit is something that an operator did.
type Audit struct {
	At       time.Time `json:"at"`
	Operator string    `json:"operator"`
	Action   string    `json:"action"` // retry or cancel
	Jobs     int32     `json:"jobs"`   // how many in the same order
}

// List returns the jobs that f chooses in the order of their ids, which rise with time.
func (a *Admin) List(ctx context.Context, f Filter) ([]Info, error) {
	if err := a.checkFilter(f); err != nil {
		return nil, err
	}

	var all []Info

	for beyond := uuid.Nil; ; {
		n := adminBatch
		if f.Limit > 0 {
			n = min(n, f.Limit-len(all))
		}

		rows, err := a.q.db.AdminList(ctx, a.q.pool, db.AdminListParams{
			Ids: append([]uuid.UUID{}, f.IDs...), About: append([]uuid.UUID{}, f.About...), Kind: f.Kind, Queue: f.Queue, State: f.State,
			Older: f.OlderThan.Seconds(), Beyond: beyond, MaxRows: int32(n), //nolint:gosec // at most adminBatch
		})
		if err != nil {
			return nil, fmt.Errorf("list jobs: %w", err)
		}

		for _, r := range rows {
			all = append(all, newInfo(r))
		}

		if len(rows) < n || len(all) == f.Limit {
			return all, nil
		}

		beyond = rows[len(rows)-1].ID
	}
}

// Show returns a job and what operators did to it, or [ErrNotFound]. What was done is returned
// even of a job that is gone.
func (a *Admin) Show(ctx context.Context, id uuid.UUID) (Info, []Audit, error) {
	rows, err := a.q.db.AuditOf(ctx, a.q.pool, id)
	if err != nil {
		return Info{}, nil, fmt.Errorf("show job: %w", err)
	}

	audits := make([]Audit, len(rows))
	for i, r := range rows {
		audits[i] = Audit{At: r.At, Operator: r.Operator, Action: r.Action, Jobs: r.Jobs}
	}

	jobs, err := a.List(ctx, Filter{IDs: []uuid.UUID{id}, Limit: 1})

	switch {
	case err != nil:
		return Info{}, nil, err
	case len(jobs) == 0:
		return Info{}, audits, ErrNotFound
	default:
		return jobs[0], audits, nil
	}
}

// Retry has dead jobs begin anew with all their attempts, has jobs that wait for their time run
// now, and takes back a cancel that no worker has carried out. Jobs that run or are about to are
// left alone, and so is a dead one while another job of its kind and key lives.
func (a *Admin) Retry(ctx context.Context, o Order) (Result, error) {
	return a.applyOrder(ctx, o, "retry", takesKey, func(ctx context.Context, tx pgx.Tx, jobs []Info) (res Result, err error) {
		p := db.AdminRetryParams{Ids: collectIDs(jobs)}

		for _, policy := range a.q.kinds.Policies() {
			for _, name := range policy.Names() {
				p.Names, p.Kinds = append(p.Names, name), append(p.Kinds, policy.Args.Kind())
			}
		}

		rows, err := a.q.db.AdminRetry(ctx, tx, p)

		for _, r := range rows {
			res.Changed = append(res.Changed, r.ID)
			a.q.metrics.countEvent(r.Kind, r.Queue, eventRedriven)
			a.q.afterCommit(tx, a.q.newPush(Task{ID: r.ID, Epoch: r.Epoch, Queue: r.Queue, Kind: r.Kind}, 0), true)
		}

		return res, err
	})
}

// Cancel ends jobs. A live one never runs its handler from now on, and what a running handler
// still writes is refused; a worker declares it dead with the code "canceled", in one transaction
// with its kind's Dead hook, as soon as one comes to it: at once if it waits, with the next
// heartbeat if it runs. Until then its state is "canceling". Dead, it can be retried. A dead job is
// removed.
func (a *Admin) Cancel(ctx context.Context, o Order) (Result, error) {
	return a.applyOrder(ctx, o, "cancel", nil, func(ctx context.Context, tx pgx.Tx, jobs []Info) (res Result, err error) {
		var dead, live, orphans []uuid.UUID

		for _, j := range jobs {
			if _, known := a.q.kinds.Policy(j.Kind); j.State == stateDead {
				dead = append(dead, j.ID)
			} else if known {
				live = append(live, j.ID)
			} else {
				orphans = append(orphans, j.ID) // a kind of long ago: no program of today knows what it owes
			}
		}

		canceled, err := a.q.db.AdminCancel(ctx, tx, live)
		if err != nil {
			return res, err
		}

		for _, r := range canceled {
			res.Changed = append(res.Changed, r.ID)

			if r.State == stateStaged {
				a.q.afterCommit(tx, a.q.newPush(Task{ID: r.ID, Epoch: r.Epoch, Queue: r.Queue, Kind: r.Kind}, 0), true)
			}
		}

		res.Waiting = len(canceled)

		buried, err := a.q.db.AdminBury(ctx, tx, orphans)
		if err != nil {
			return res, err
		}

		for _, r := range buried {
			res.Changed = append(res.Changed, r.ID)
			a.q.metrics.countEvent(r.Kind, r.Queue, eventDead)
		}

		removed, err := a.q.db.AdminRemove(ctx, tx, dead)

		for _, r := range removed {
			res.Changed = append(res.Changed, r.ID)
			a.q.metrics.countEvent(r.Kind, r.Queue, eventRemoved)
		}

		return res, err
	})
}

// checkFilter refuses names that do not exist: a slip must not choose every job, or none in silence.
func (a *Admin) checkFilter(f Filter) error {
	if f.Kind != "" {
		if _, ok := a.q.kinds.Policy(f.Kind); !ok {
			return fmt.Errorf("%w kind %q", ErrUnknown, f.Kind)
		}
	}

	if f.Queue != "" {
		if err := a.checkQueue(f.Queue); err != nil {
			return err
		}
	}

	if f.State != "" && !slices.Contains(States(), f.State) {
		return fmt.Errorf("%w state %q", ErrUnknown, f.State)
	}

	return nil
}

func collectIDs(jobs []Info) []uuid.UUID {
	ids := make([]uuid.UUID, len(jobs))
	for i, j := range jobs {
		ids[i] = j.ID
	}

	return ids
}

func newInfo(r db.AdminListRow) Info {
	i := Info{
		ID: r.ID, Kind: r.Kind, Queue: r.Queue, State: r.State, Args: r.Args, Epoch: r.Epoch, Attempt: r.Attempt,
		Lost: r.Lost, RunAt: r.RunAt, CreatedAt: r.CreatedAt, LeaseUntil: r.LeaseUntil, DiedAt: r.DiedAt,
	}

	if r.DedupeKey != nil {
		i.Key = *r.DedupeKey
	}

	if r.ErrorCode != nil {
		i.ErrorCode = *r.ErrorCode
	}

	return i
}

// PurgeAudit deletes the record of what operators did once it is a year old, the oldest first and at most maxRows, and
// returns how many. The database itself refuses to delete younger ones.
func (a *Admin) PurgeAudit(ctx context.Context, maxRows int) (purged int, err error) {
	n, err := a.q.db.AuditPurge(ctx, a.q.pool, int32(maxRows)) //nolint:gosec // what one transaction can do
	if err != nil {
		return 0, fmt.Errorf("purge audit: %w", err)
	}

	return int(n), nil
}
