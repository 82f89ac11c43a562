package sweep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/jobs"
	"imagerun/internal/postgres"
	"imagerun/internal/storage/sweep/db"
	"imagerun/queue"
)

// Deps are what the handler of the nightly sweep works with. All but the last two are required.
type Deps struct {
	Sweeper *Sweeper
	Pool    *pgxpool.Pool
	Log     *slog.Logger
	Slice   time.Duration // how long one run of the job takes before it lets others have its place; zero: 1 min
	Options Options       // zero: the usual ones
}

// Handler works the nightly sweep: a slice at a time, each page written down as soon as it is
// done, so that the next worker goes on from there.
type Handler struct {
	d  Deps
	db *db.Queries
}

// NewHandler returns the handler of [jobs.SweepObjects].
func NewHandler(d Deps) *Handler {
	if d.Slice <= 0 {
		d.Slice = time.Minute
	}

	if d.Options.Grace <= 0 {
		d.Options.Grace = DefaultGrace
	}

	h := &Handler{d: d, db: db.New()}
	h.d.Options.Each = h.logFinding

	return h
}

// Register makes h the handler of the nightly sweep.
func (h *Handler) Register(r *queue.Registry) { queue.Register(r, h) }

// Handle implements [queue.Handler].
func (h *Handler) Handle(ctx context.Context, job *queue.Job[jobs.SweepObjects]) error {
	now := h.d.Sweeper.now()
	r := Report{StartedAt: now}

	after, err := h.beginSweep(ctx, job.ID, &r)
	if err != nil {
		return err
	}

	// A page at least, however late it is: else it would never come to an end.
	for end := now.Add(h.d.Slice); ; {
		var more bool
		if after, more, err = h.d.Sweeper.Step(ctx, h.d.Options, after, &r); errors.Is(err, ErrImplausible) {
			return queue.Cancel(err) // trying again would not help: an operator looks
		} else if err != nil {
			return err
		}

		if !more {
			break // the end is written with it: there is no key to go on from
		}

		err = h.writeReport(ctx, r, func(tx *postgres.Tx, report []byte) error {
			if err := h.db.SweepReached(ctx, tx, db.SweepReachedParams{ID: job.ID, Cursor: after, Report: report}); err != nil {
				return err
			}

			return job.Hold(ctx, tx)
		})
		if err != nil {
			return fmt.Errorf("write how far the sweep came: %w", err)
		}

		if h.d.Sweeper.now().After(end) {
			return queue.Snooze(0) // others may want the place
		}
	}

	if err := h.d.Sweeper.AbortIncompleteMultiparts(ctx, h.d.Options, &r); err != nil {
		return err
	}

	end := h.d.Sweeper.now()
	r.FinishedAt = &end

	err = h.writeReport(ctx, r, func(tx *postgres.Tx, report []byte) error {
		err := h.db.SweepFinish(ctx, tx, db.SweepFinishParams{ID: job.ID, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Report: report})
		if err != nil {
			return err
		}

		return job.Complete(ctx, tx)
	})
	if err != nil {
		return fmt.Errorf("write that the sweep ended: %w", err)
	}

	h.d.Log.Info("bucket sweep finished", slog.Any("report", r))

	return nil
}

// beginSweep reads how far an earlier run of this job came: not at all, the first time.
func (h *Handler) beginSweep(ctx context.Context, id uuid.UUID, r *Report) (after string, err error) {
	report, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode report: %w", err)
	}

	row, err := h.db.SweepBegin(ctx, h.d.Pool, db.SweepBeginParams{ID: id, StartedAt: r.StartedAt, Report: report})
	if err != nil {
		return "", fmt.Errorf("begin sweep: %w", err)
	}

	if err := json.Unmarshal(row.Report, r); err != nil {
		return "", fmt.Errorf("decode report: %w", err)
	}

	return row.Cursor, nil
}

func (h *Handler) writeReport(ctx context.Context, r Report, fn func(tx *postgres.Tx, report []byte) error) error {
	report, err := json.Marshal(r)
	if err != nil {
		return err
	}

	return postgres.InTx(ctx, h.d.Pool, func(tx *postgres.Tx) error { return fn(tx, report) })
}

// logFinding writes what an operator may have to look for; the rest is counted.
func (h *Handler) logFinding(f Finding) {
	if f.What == Lost {
		h.d.Log.Error("stored object lost", slog.String("table", f.Source), slog.Any("row_id", f.ID))
	}
}

// Keep writes the report of a sweep that an operator made, so that the metrics show it. A dry
// run is not kept.
func Keep(ctx context.Context, pool *pgxpool.Pool, r Report) error {
	if r.DryRun || r.FinishedAt == nil {
		return nil
	}

	report, err := json.Marshal(r)
	if err == nil {
		err = db.New().SweepFinish(ctx, pool, db.SweepFinishParams{
			ID: uuid.New(), StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Report: report,
		})
	}

	if err != nil {
		return fmt.Errorf("keep the report: %w", err)
	}

	return nil
}

// Last returns the report of the last sweep that came to its end; false: there was none yet.
func Last(ctx context.Context, pool *pgxpool.Pool) (r Report, ok bool, err error) {
	row, err := db.New().SweepLast(ctx, pool)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, false, nil
	}

	if err == nil {
		err = json.Unmarshal(row, &r)
	}

	if err != nil {
		return r, false, fmt.Errorf("read the last report: %w", err)
	}

	return r, true, nil
}
