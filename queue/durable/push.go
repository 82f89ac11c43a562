package durable

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"imagerun/queue/batcher"
	"imagerun/queue/durable/db"
)

const (
	maxPushBatch    = 200             // tasks pushed at once
	maxPushesAtOnce = 2               // pushes of one queue under way at once
	pushTimeout     = 2 * time.Second // of one
	maxMarkBatch    = 500             // rows marked at once
)

// newPushBatchers returns what pushes the tasks that commits leave to the background. Each queue has a batcher of
// its own: in a cluster one may be on a node that does not answer.
//
//nolint:contextcheck // a commit's own context has ended by then
func (q *Queue) newPushBatchers() map[string]*batcher.Batcher[pendingPush] {
	pushes := map[string]*batcher.Batcher[pendingPush]{}

	for _, name := range q.kinds.Queues() {
		pushes[name] = &batcher.Batcher[pendingPush]{Max: maxPushBatch, Lines: maxPushesAtOnce, Room: maxBacklog, Do: func(ps []pendingPush) {
			for _, p := range q.pushBatch(context.Background(), ps) {
				select {
				case q.marks <- p:
				default: // unmarked: the relay pushes it again, which is a conflict, which is success
				}
			}
		}}
	}

	return pushes
}

// Run has what commits hand over pushed, and marked, until ctx ends; then it empties what is left. Every
// process that stages jobs runs it. What is lost here, the relay finds.
func (q *Queue) Run(ctx context.Context) error {
	if q.pusher == nil {
		<-ctx.Done()

		return nil
	}

	var marker sync.WaitGroup

	work, stop := context.WithoutCancel(ctx), make(chan struct{})

	marker.Go(func() { q.drainMarks(work, stop) })

	q.carrying.Store(true)
	<-ctx.Done()
	q.carrying.Store(false)

	for _, b := range q.pushes {
		<-b.Idle()
	}

	close(stop)
	marker.Wait()

	return nil
}

// pushBatch pushes tasks of one queue at once, removes those that they replace, and returns which it could.
func (q *Queue) pushBatch(ctx context.Context, ps []pendingPush) (sent []Push) {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()

	queue := ps[0].Queue

	if !q.breaker.Allow(queue) {
		q.countPushes(ps, eventPushFailed)

		return nil
	}

	pushes := make([]Push, len(ps))
	for i, p := range ps {
		pushes[i] = p.Push
	}

	err := q.pusher.Push(ctx, pushes)
	q.breaker.Record(queue, err)

	if err != nil {
		q.log.DebugContext(ctx, "push failed, left to the relay", slog.Int("jobs", len(ps)), slog.String("queue", queue), slog.Any("error", err))
		q.countPushes(ps, eventPushFailed)

		return nil
	}

	q.countPushes(ps, eventPushed)

	var replaced []Task

	for _, p := range ps {
		sent = append(sent, p.Push)

		if p.replaces && p.Epoch > 1 {
			old := p.Task
			old.Epoch--
			replaced = append(replaced, old)
		}
	}

	q.forgetTasks(ctx, replaced)

	return sent
}

func (q *Queue) countPushes(ps []pendingPush, event string) {
	for _, p := range ps {
		q.metrics.countEvent(p.Kind, p.Queue, event)
	}
}

// pushAll pushes many at once, those of each queue beside the others', and marks them; it reports how many it
// could.
func (q *Queue) pushAll(ctx context.Context, ps []pendingPush) int {
	byQueue := map[string][]pendingPush{}
	for _, p := range ps {
		byQueue[p.Queue] = append(byQueue[p.Queue], p)
	}

	var (
		mu   sync.Mutex
		sent []Push
		wg   sync.WaitGroup
	)

	for _, of := range byQueue {
		wg.Go(func() {
			for batch := range slices.Chunk(of, maxPushBatch) {
				pushed := q.pushBatch(ctx, batch)

				mu.Lock()
				sent = append(sent, pushed...)
				mu.Unlock()
			}
		})
	}

	wg.Wait()
	q.markPushed(ctx, sent)

	return len(sent)
}

// drainMarks marks what was pushed and has not begun within half the time after which the relay would push it
// again: most jobs have by then, and their rows are written once less.
func (q *Queue) drainMarks(ctx context.Context, stop <-chan struct{}) {
	var (
		sent []Push
		due  <-chan time.Time
	)

	for {
		select {
		case p := <-q.marks:
			sent = append(sent, p)

			if due == nil {
				due = time.After(q.timing.RelayAfter / 2)
			}

			if len(sent) < maxBacklog {
				continue
			}
		case <-due:
		case <-stop:
			for len(q.marks) > 0 {
				sent = append(sent, <-q.marks)
			}

			q.markPushed(ctx, sent)

			return
		}

		q.markPushed(ctx, sent)

		sent, due = sent[:0], nil
	}
}

// markPushed tells the relay not to bother, and removes what was pushed too late.
func (q *Queue) markPushed(ctx context.Context, sent []Push) {
	for batch := range slices.Chunk(sent, maxMarkBatch) {
		one, cancel := context.WithTimeout(ctx, pushTimeout)

		ids, epochs := make([]uuid.UUID, len(batch)), make([]int32, len(batch))
		for i, p := range batch {
			ids[i], epochs[i] = p.ID, p.Epoch
		}

		if err := q.db.JobMarkPushed(one, q.pool, db.JobMarkPushedParams{Ids: ids, Epochs: epochs}); err != nil {
			q.log.DebugContext(ctx, "pushed jobs were not marked", slog.Int("jobs", len(batch)), slog.Any("error", err))
		}

		if err := q.forgetSuperseded(one, batch); err != nil {
			q.log.DebugContext(ctx, "superseded tasks were not removed", slog.Int("jobs", len(batch)), slog.Any("error", err))
		}

		cancel()
	}
}

// forgetSuperseded removes tasks that are due later and whose jobs have a newer epoch, or are done: whatever replaced
// them was faster than their own push, and removed them before they were there. Of those that are due now a worker finds it at once.
func (q *Queue) forgetSuperseded(ctx context.Context, sent []Push) error {
	var (
		later []Task
		ids   []uuid.UUID
		now   = time.Now()
	)

	for _, p := range sent {
		if p.RunAt.After(now) {
			later, ids = append(later, p.Task), append(ids, p.ID)
		}
	}

	if len(later) == 0 {
		return nil
	}

	rows, err := q.db.JobStates(ctx, q.pool, ids)
	if err != nil {
		return err
	}

	epochs := make(map[uuid.UUID]int32, len(rows))
	for _, row := range rows {
		epochs[row.ID] = row.Epoch
	}

	q.forgetTasks(ctx, slices.DeleteFunc(later, func(t Task) bool { return epochs[t.ID] == t.Epoch }))

	return nil
}

// forgetTasks removes tasks that were replaced. It is tidiness only: a worker that gets one finds that it is a
// duplicate.
func (q *Queue) forgetTasks(ctx context.Context, tasks []Task) {
	if len(tasks) == 0 {
		return
	}

	if err := q.pusher.Forget(ctx, tasks); err != nil {
		q.log.DebugContext(ctx, "tasks were not removed", slog.Int("tasks", len(tasks)), slog.Any("error", err))
	}
}

func splitTasks(tasks []Task) (ids []uuid.UUID, epochs []int32) {
	for _, t := range tasks {
		ids, epochs = append(ids, t.ID), append(epochs, t.Epoch)
	}

	return ids, epochs
}
