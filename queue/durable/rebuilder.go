package durable

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"imagerun/queue/durable/db"
)

const (
	rebuildBatch   = 2000
	rebuildTimeout = time.Minute // of one pass; a rebuild that is cut short goes on in the next
)

// rebuilder notices that the engine has lost all tasks of a queue at once (it was emptied, or
// restarted without its data, or with older data) and has the relay push them again. Beside
// the tasks of each queue the engine keeps a loss marker: a count that rises with each look, and a word
// that the tasks are complete. A marker without the word is a loss, or the very first start; a
// count that did not rise is a loss too.
//
// When a loss is noticed, that time is written into the marker before anything else, and what was staged later is
// not touched: so each job is pushed once more, however many schedulers notice, and however often one begins again.
type rebuilder struct {
	q *Queue

	markers map[string]LossMarker // by queue: as they were in the last pass
}

func newRebuilder(q *Queue) *rebuilder { return &rebuilder{q: q, markers: map[string]LossMarker{}} }

func (r *rebuilder) runOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rebuildTimeout)
	defer cancel()

	markers := fanOut(ctx, r.q.kinds.Queues(), r.q.pusher.BumpLossMarker)
	if err := markers.joinErrors(); err != nil {
		r.q.warnThrottled(ctx, "loss markers were not read", err)
	}

	for _, m := range markers.collectFound() {
		before := r.markers[m.Queue]
		// A count that did not rise is explained by a loss that another scheduler has noticed since.
		explained := m.Count > before.Count || m.Lost.After(before.Lost)

		if explained && m.Complete {
			r.markers[m.Queue] = m

			continue
		}

		if !explained || m.Lost.IsZero() {
			if err := r.noticeLoss(ctx, &m); err != nil {
				r.q.warnThrottled(ctx, "lost tasks were not rebuilt", err)

				continue
			}
		}

		if err := r.rebuildTasks(ctx, m); err != nil {
			r.q.warnThrottled(ctx, "lost tasks were not rebuilt", err)

			continue
		}

		r.markers[m.Queue] = m
	}
}

// noticeLoss writes into the marker that the tasks were lost before now.
func (r *rebuilder) noticeLoss(ctx context.Context, m *LossMarker) error {
	now, err := r.q.db.DatabaseTime(ctx, r.q.pool)
	if err != nil {
		return err
	}

	m.Lost, err = r.q.pusher.MarkLost(ctx, *m, now)

	return err
}

// rebuildTasks ends with the word that the tasks are complete, so one that is cut short is begun again, by any scheduler.
func (r *rebuilder) rebuildTasks(ctx context.Context, m LossMarker) error {
	if err := r.q.restore(ctx, []string{m.Queue}); err != nil {
		return err
	}

	if err := r.q.db.JobRebuildRunning(ctx, r.q.pool, m.Queue); err != nil {
		return err
	}

	jobs, err := r.renameWaiting(ctx, m)
	if err != nil {
		return err
	}

	if err := r.q.pusher.MarkComplete(ctx, m); err != nil {
		return err
	}

	r.q.metrics.rebuilds.WithLabelValues(m.Queue).Inc()

	if jobs > 0 { // else it is the first start, as a rule
		r.q.log.WarnContext(ctx, "tasks were rebuilt", slog.String("queue", m.Queue), slog.Int("jobs", jobs))
	}

	return nil
}

// renameWaiting gives all jobs that waited in the engine names that are new to it.
func (r *rebuilder) renameWaiting(ctx context.Context, m LossMarker) (jobs int, err error) {
	p := db.JobRebuildWaitingParams{Queue: m.Queue, Lost: m.Lost, MaxRows: rebuildBatch}

	for {
		rows, err := r.q.db.JobRebuildWaiting(ctx, r.q.pool, p)
		if err != nil {
			return jobs, err
		}

		jobs += len(rows)

		if len(rows) < rebuildBatch {
			return jobs, nil
		}

		for _, row := range rows { // they come in any order
			if c := row.RunAt.Compare(p.AfterRunAt); c > 0 || c == 0 && bytes.Compare(row.ID[:], p.AfterID[:]) > 0 {
				p.AfterRunAt, p.AfterID = row.RunAt, row.ID
			}
		}
	}
}
