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
// the tasks of each queue the engine keeps a mark: a count that rises with each look, and a word
// that the tasks are complete. A mark without the word is a loss, or the very first start; a
// count that did not rise is a loss too.
//
// When a loss is noticed, that time is written into the mark before anything else, and what was staged later is
// not touched: so each job is pushed once more, however many schedulers notice, and however often one begins again.
type rebuilder struct {
	q *Queue

	seen map[string]Mark // by queue: as they were in the last pass
}

func newRebuilder(q *Queue) *rebuilder { return &rebuilder{q: q, seen: map[string]Mark{}} }

func (r *rebuilder) pass(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rebuildTimeout)
	defer cancel()

	marks := ask(ctx, r.q.kinds.Queues(), r.q.pusher.Beat)
	if err := marks.err(); err != nil {
		r.q.warnThrottled(ctx, "the engine's marks were not read", err)
	}

	for _, m := range marks.all() {
		before := r.seen[m.Queue]
		// A count that did not rise is explained by a loss that somebody else has noticed since.
		explained := m.Count > before.Count || m.Lost.After(before.Lost)

		if explained && m.Whole {
			r.seen[m.Queue] = m

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

		r.seen[m.Queue] = m
	}
}

// noticeLoss writes into the mark that the tasks were lost before now.
func (r *rebuilder) noticeLoss(ctx context.Context, m *Mark) error {
	now, err := r.q.db.DatabaseTime(ctx, r.q.pool)
	if err != nil {
		return err
	}

	m.Lost, err = r.q.pusher.Lost(ctx, *m, now)

	return err
}

// rebuildTasks ends with the word that the tasks are complete, so one that is cut short is begun again, by whomever.
func (r *rebuilder) rebuildTasks(ctx context.Context, m Mark) error {
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

	if err := r.q.pusher.Whole(ctx, m); err != nil {
		return err
	}

	r.q.metrics.rebuilds.WithLabelValues(m.Queue).Inc()

	if jobs > 0 { // else it is the first start, as a rule
		r.q.log.WarnContext(ctx, "tasks were rebuilt", slog.String("queue", m.Queue), slog.Int("jobs", jobs))
	}

	return nil
}

// renameWaiting gives all jobs that waited in the engine names that are new to it.
func (r *rebuilder) renameWaiting(ctx context.Context, m Mark) (jobs int, err error) {
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
