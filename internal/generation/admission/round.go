package admission

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/generation/admission/fairqueue"
	"imagerun/internal/generation/db"
	"imagerun/internal/jobs"
	"imagerun/internal/plan"
	"imagerun/internal/postgres"
)

// maxAdmitted is how many are admitted in one transaction: enough to keep up, few enough to keep
// the advisory lock short.
const maxAdmitted = 100

// admitRound gives out what slots are free, a batch at most, in the order of the line.
func (s *Admission) admitRound(ctx context.Context, provider string) (n int, err error) {
	// A busy fleet is asked for a round with every submit. No user enters the line for nothing: that looks
	// at everything that waits. A worker that frees a slot wants a round of its own.
	if free, err := s.countFree(ctx, s.Pool, provider); err != nil || free <= 0 {
		return 0, err
	}

	err = postgres.RetryTx(ctx, s.Pool, func(tx *postgres.Tx) error {
		n = 0

		if err := s.db.AdmissionLock(ctx, tx, provider); err != nil {
			return fmt.Errorf("lock admission: %w", err)
		}

		clock, err := s.enterWaiters(ctx, tx, provider)
		if err != nil {
			return err
		}

		next, err := s.findNext(ctx, tx, provider)
		if err != nil || len(next.rows) == 0 {
			return err
		}

		before := slices.Clone(next.users)
		served := clock.Serve(next.users, next.free)
		ids := make([]uuid.UUID, 0, len(served))

		for _, i := range served {
			id := next.rows[i].Ids[0]
			next.rows[i].Ids = next.rows[i].Ids[1:]
			ids = append(ids, id)
		}

		now := s.Now()
		n = len(ids)

		if err := s.db.AdmissionMark(ctx, tx, db.AdmissionMarkParams{Ids: ids, At: &now}); err != nil {
			return fmt.Errorf("mark admitted: %w", err)
		}

		for _, id := range ids { // after the tasks: that is the order of locks
			if err := s.Tasks.Stage(ctx, tx, jobs.SubmitGeneration{TaskID: id}, id, 0); err != nil {
				return err
			}
		}

		return s.writeServed(ctx, tx, provider, clock, before, next.users)
	})
	if err != nil {
		return 0, err
	}

	return n, nil
}

// enterWaiters lets users who wait for the first time into the line, and returns how far that has got.
func (s *Admission) enterWaiters(ctx context.Context, tx pgx.Tx, provider string) (fairqueue.GlobalPass, error) {
	clock, err := s.readClock(ctx, tx, provider)
	if err != nil {
		return clock, err
	}

	n, err := s.db.AdmissionEnter(ctx, tx, db.AdmissionEnterParams{Provider: provider, Entry: clock.Entry, Latest: clock.Latest()})
	if err != nil || n == 0 {
		return clock, fault.Wrap(err, "enter the line")
	}

	clock.Entered(int(n))

	return clock, s.writeClock(ctx, tx, provider, clock)
}

func (s *Admission) readClock(ctx context.Context, q db.DBTX, provider string) (fairqueue.GlobalPass, error) {
	row, err := s.db.AdmissionClock(ctx, q, provider)
	if err != nil && !postgres.IsNotFound(err) {
		return fairqueue.GlobalPass{}, fmt.Errorf("read the clock of the line: %w", err)
	}

	return fairqueue.GlobalPass{Current: row.Now, Entry: row.Entry}, nil
}

func (s *Admission) writeClock(ctx context.Context, tx pgx.Tx, provider string, clock fairqueue.GlobalPass) error {
	err := s.db.AdmissionTick(ctx, tx, db.AdmissionTickParams{Provider: provider, Now: clock.Current, Entry: clock.Entry})

	return fault.Wrap(err, "set the clock of the line")
}

// candidates are the users whose turn it is, each with their oldest waiting generations.
type candidates struct {
	rows  []db.AdmissionNextRow
	users []fairqueue.User // the same
	free  int              // slots
}

// findNext finds as many users as there are free slots: no more can be served.
func (s *Admission) findNext(ctx context.Context, tx pgx.Tx, provider string) (candidates, error) {
	free, err := s.countFree(ctx, tx, provider)

	c := candidates{free: min(free, maxAdmitted)}
	if err != nil || c.free <= 0 {
		return c, err
	}

	shut, err := s.Models.Shut(ctx, tx)
	if err != nil {
		return c, err
	}

	ask := db.AdmissionNextParams{
		Provider: provider, Shut: shut, Most: int32(c.free),
		DefaultSlots: int32(s.Plans.Of(plan.Default).Slots),
	}
	for _, p := range s.Plans.Plans {
		ask.Plans, ask.Slots = append(ask.Plans, p.ID), append(ask.Slots, int32(p.Slots))
	}

	if c.rows, err = s.db.AdmissionNext(ctx, tx, ask); err != nil {
		return c, fmt.Errorf("choose who is next: %w", err)
	}

	for _, r := range c.rows {
		c.users = append(c.users, fairqueue.User{ID: r.UserID, Pass: r.Pass, Weight: s.Plans.Of(r.Plan).Weight, Waiting: len(r.Ids)})
	}

	return c, nil
}

// countFree is how many slots of the provider are.
func (s *Admission) countFree(ctx context.Context, q db.DBTX, provider string) (int, error) {
	busy, err := s.db.AdmissionBusy(ctx, q, provider)

	return s.Options.Slots - int(busy), fault.Wrap(err, "count slots")
}

// writeServed moves on the passes of those who were served, and the clock.
func (s *Admission) writeServed(ctx context.Context, tx pgx.Tx, provider string, clock fairqueue.GlobalPass, before, after []fairqueue.User) error {
	set := db.AdmissionServedParams{Provider: provider}

	for i, u := range after {
		if u.Pass != before[i].Pass {
			set.UserIds, set.Passes = append(set.UserIds, u.ID), append(set.Passes, u.Pass)
		}
	}

	if err := s.db.AdmissionServed(ctx, tx, set); err != nil {
		return fmt.Errorf("move users on: %w", err)
	}

	return s.writeClock(ctx, tx, provider, clock)
}
