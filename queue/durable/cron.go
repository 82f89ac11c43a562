package durable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/queue"
	"imagerun/queue/durable/db"
	"imagerun/queue/internal/loop"
)

// Cron stages the jobs of schedules. Every scheduler runs one: a tick's job is staged and the
// schedule advanced in one transaction under the schedule's lock, so several do it once, and one
// that dies half-way has done nothing.
type Cron struct {
	q     *Queue
	table []parsedSchedule
}

// NewCron returns a cron of these schedules. It refuses specs that are not understood, kinds that
// are not in the table and names given twice.
func NewCron(q *Queue, schedules ...queue.Schedule) (*Cron, error) {
	c := &Cron{q: q}
	seen := make(map[string]bool, len(schedules))

	for _, s := range schedules {
		work, err := parseSchedule(s, q.kinds)
		if err != nil {
			return nil, err
		}

		if seen[s.Name] {
			return nil, fmt.Errorf("schedule %s is in the table twice", s.Name)
		}

		seen[s.Name] = true
		c.table = append(c.table, work)
	}

	return c, nil
}

// Run fires what is due each second until ctx ends.
func (c *Cron) Run(ctx context.Context) error {
	loop.Every(ctx, time.Second, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, passTimeout)
		defer cancel()

		if err := c.fireDue(ctx); err != nil {
			c.q.warnThrottled(ctx, "schedules were not fired", err)
		}
	})

	return nil
}

// fireDue looks at all schedules with one query, and fires those with a tick that is due.
func (c *Cron) fireDue(ctx context.Context) error {
	rows, err := c.loadRows(ctx)
	if err != nil {
		return err
	}

	var errs []error

	for _, w := range c.table {
		row, ok := rows[w.Name]
		if !ok {
			// New: from now on it has a past.
			errs = append(errs, c.q.db.ScheduleAdd(ctx, c.q.pool, []string{w.Name}))

			continue
		}

		if ticks, _ := w.listDueTicks(row.LastTick, row.Now); len(ticks) > 0 {
			_, err := c.Fire(ctx, w.Name)
			errs = append(errs, err)
		}
	}

	return errors.Join(errs...)
}

// Fire stages the jobs of the ticks of one schedule that are due, and returns how many. While
// another process does so it does nothing. A schedule that has never been looked at begins now.
func (c *Cron) Fire(ctx context.Context, name string) (staged int, err error) {
	w, ok := c.findSchedule(name)
	if !ok {
		return 0, fmt.Errorf("fire schedule: %w schedule %q", ErrUnknown, name)
	}

	err = c.q.inTx(ctx, func(tx pgx.Tx) error {
		row, err := c.q.db.ScheduleLock(ctx, tx, name)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // locked by another, or to be added by the next pass
		}

		if err != nil {
			return err
		}

		ticks, reached := w.listDueTicks(row.LastTick, row.Now)

		var last *uuid.UUID

		for _, tick := range ticks {
			// One key for all ticks has them share the job that lives.
			key := "schedule:" + name
			if w.Overlap == queue.Allow {
				key += fmt.Sprintf(":%d", tick.Unix())
			}

			id, fresh, err := c.q.stageJob(ctx, tx, w.Args(tick), Key(key))
			if err != nil {
				return err
			}

			if fresh {
				staged++

				last = &id
			}
		}

		if !reached.After(row.LastTick) {
			return nil
		}

		return c.q.db.ScheduleAdvance(ctx, tx, db.ScheduleAdvanceParams{Name: name, LastTick: reached, LastJob: last})
	})
	if err != nil {
		return 0, fmt.Errorf("fire schedule %s: %w", name, err)
	}

	if staged > 0 {
		c.q.log.DebugContext(ctx, "schedule fired", slog.String("schedule", name), slog.Int("jobs", staged))
	}

	return staged, nil
}

// stateDone is of a job that has no row any more.
const stateDone = "done"

// Scheduled is a schedule as operators see it.
type Scheduled struct {
	Name    string     `json:"name"`
	Spec    string     `json:"spec"`
	Kind    string     `json:"kind"`
	LastRun *time.Time `json:"last_run"` // when the last job was staged; null: never
	LastJob *uuid.UUID `json:"last_job"` // may be done by now
	// LastState is that of the last job, canceling, or done, which has no row: an operator may have removed it. Empty: there was none.
	LastState string    `json:"last_state"`
	LastError string    `json:"last_error,omitempty"` // code of that job's latest failure; empty: none, or it is done
	NextRun   time.Time `json:"next_run"`             // in the past: a tick is due, and no scheduler runs
}

// List returns every schedule, in the order of the table.
func (c *Cron) List(ctx context.Context) ([]Scheduled, error) {
	rows, err := c.loadRows(ctx)
	if err != nil {
		return nil, err
	}

	list := make([]Scheduled, len(c.table))

	for i, w := range c.table {
		s := Scheduled{Name: w.Name, Spec: w.Spec, Kind: w.kind}

		if row, ok := rows[w.Name]; ok {
			s.LastRun, s.LastJob, s.NextRun = row.FiredAt, row.LastJob, w.next(row.LastTick)
		} else {
			s.NextRun = w.next(time.Now())
		}

		list[i] = s
	}

	return list, c.fillOutcomes(ctx, list)
}

// fillOutcomes says what has become of the last jobs.
func (c *Cron) fillOutcomes(ctx context.Context, list []Scheduled) error {
	var ids []uuid.UUID

	for _, s := range list {
		if s.LastJob != nil {
			ids = append(ids, *s.LastJob)
		}
	}

	rows, err := c.q.db.ScheduleJobs(ctx, c.q.pool, ids)
	if err != nil {
		return fmt.Errorf("read last jobs of schedules: %w", err)
	}

	byID := make(map[uuid.UUID]db.ScheduleJobsRow, len(rows))
	for _, r := range rows {
		byID[r.ID] = r
	}

	for i, s := range list {
		if s.LastJob == nil {
			continue
		}

		list[i].LastState = stateDone

		if row, ok := byID[*s.LastJob]; ok {
			list[i].LastState = row.State

			if row.ErrorCode != nil {
				list[i].LastError = *row.ErrorCode
			}
		}
	}

	return nil
}

func (c *Cron) loadRows(ctx context.Context) (map[string]db.ScheduleListRow, error) {
	rows, err := c.q.db.ScheduleList(ctx, c.q.pool)
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}

	byName := make(map[string]db.ScheduleListRow, len(rows))
	for _, r := range rows {
		byName[r.Name] = r
	}

	return byName, nil
}

func (c *Cron) findSchedule(name string) (parsedSchedule, bool) {
	for _, w := range c.table {
		if w.Name == name {
			return w, true
		}
	}

	return parsedSchedule{}, false
}
