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
			for _, t := range q.pushBatch(context.Background(), ps) {
				select {
				case q.marks <- t:
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
func (q *Queue) pushBatch(ctx context.Context, ps []pendingPush) (sent []Task) {
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
		sent = append(sent, p.Task)

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
		sent []Task
		wg   sync.WaitGroup
	)

	for _, of := range byQueue {
		wg.Go(func() {
			for batch := range slices.Chunk(of, maxPushBatch) {
				tasks := q.pushBatch(ctx, batch)

				mu.Lock()
				sent = append(sent, tasks...)
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
		tasks []Task
		due   <-chan time.Time
	)

	for {
		select {
		case t := <-q.marks:
			tasks = append(tasks, t)

			if due == nil {
				due = time.After(q.timing.RelayAfter / 2)
			}

			if len(tasks) < maxBacklog {
				continue
			}
		case <-due:
		case <-stop:
			for len(q.marks) > 0 {
				tasks = append(tasks, <-q.marks)
			}

			q.markPushed(ctx, tasks)

			return
		}

		q.markPushed(ctx, tasks)

		tasks, due = tasks[:0], nil
	}
}

// markPushed tells the relay not to bother.
func (q *Queue) markPushed(ctx context.Context, tasks []Task) {
	for batch := range slices.Chunk(tasks, maxMarkBatch) {
		ids, epochs := splitTasks(batch)

		one, cancel := context.WithTimeout(ctx, pushTimeout)

		if err := q.db.JobMarkPushed(one, q.pool, db.JobMarkPushedParams{Ids: ids, Epochs: epochs}); err != nil {
			q.log.DebugContext(ctx, "pushed jobs were not marked", slog.Int("jobs", len(batch)), slog.Any("error", err))
		}

		cancel()
	}
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
