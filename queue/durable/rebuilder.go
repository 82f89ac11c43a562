package durable

import (
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
// Several schedulers may notice at once. Then some jobs get two new names, of which the older
// one is a duplicate.
type rebuilder struct {
	q *Queue

	seen map[string]int64 // by queue: what the mark counted when all was well
}

func (r *rebuilder) pass(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, rebuildTimeout)
	defer cancel()

	marks := ask(ctx, r.q.kinds.Queues(), r.q.pusher.Beat)
	if err := marks.err(); err != nil {
		r.q.complain(ctx, "the engine's marks were not read", err)
	}

	var lost []Mark

	for _, m := range marks.all() {
		if m.Whole && m.Count > r.seen[m.Queue] {
			r.seen[m.Queue] = m.Count
		} else {
			lost = append(lost, m)
		}
	}

	if len(lost) == 0 {
		return
	}

	if err := r.rebuild(ctx, lost); err != nil {
		r.q.complain(ctx, "lost tasks were not rebuilt", err)
	}
}

// rebuild ends with the word that the tasks are complete, so one that is cut short is begun
// again, by whomever.
func (r *rebuilder) rebuild(ctx context.Context, lost []Mark) error {
	queues := make([]string, len(lost))
	for i, m := range lost {
		queues[i] = m.Queue
	}

	if err := r.q.restore(ctx, queues); err != nil {
		return err
	}

	if err := r.q.db.JobRebuildRunning(ctx, r.q.pool, queues); err != nil {
		return err
	}

	jobs := int64(0)

	for {
		n, err := r.q.db.JobRebuildWaiting(ctx, r.q.pool, db.JobRebuildWaitingParams{Queues: queues, MaxRows: rebuildBatch})
		if err != nil {
			return err
		}

		if jobs += n; n < rebuildBatch {
			break
		}
	}

	for _, m := range lost {
		if err := r.q.pusher.Whole(ctx, m); err != nil {
			return err
		}

		r.seen[m.Queue] = m.Count
		r.q.metrics.rebuilds.WithLabelValues(m.Queue).Inc()
	}

	if jobs == 0 {
		return nil // the first start, as a rule
	}

	r.q.log.WarnContext(ctx, "tasks were rebuilt", slog.Any("queues", queues), slog.Int64("jobs", jobs))

	return nil
}
