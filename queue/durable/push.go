package durable

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"imagerun/queue/durable/db"
)

const (
	pushers     = 64              // pushes under way at once, in each of background and relay
	pushTimeout = 2 * time.Second // of one push
	markBatch   = 500
)

// Run pushes what commits hand over, and marks it, until ctx ends; then it empties what is left,
// for at most a few seconds. Every process that stages jobs runs it. What is lost here, the
// relay finds.
func (q *Queue) Run(ctx context.Context) error {
	if q.pusher == nil {
		<-ctx.Done()

		return nil
	}

	var senders, marker sync.WaitGroup

	work := context.WithoutCancel(ctx)
	stop := make(chan struct{})

	for range pushers {
		senders.Go(func() { q.send(ctx, work) })
	}

	marker.Go(func() { q.markLoop(work, stop) })

	senders.Wait()
	close(stop)
	marker.Wait()

	return nil
}

func (q *Queue) send(ctx, work context.Context) {
	for {
		select {
		case p := <-q.pushes:
			q.sendOne(work, p)

			continue
		default:
		}

		select {
		case p := <-q.pushes:
			q.sendOne(work, p)
		case <-ctx.Done():
			return
		}
	}
}

func (q *Queue) sendOne(ctx context.Context, p pushing) {
	if !q.push(ctx, p) {
		return
	}

	select {
	case q.marks <- p.Task:
	default: // unmarked: the relay pushes it again, which is a conflict, which is success
	}
}

// push sends one task and removes the one that it replaces.
func (q *Queue) push(ctx context.Context, p pushing) bool {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()

	if !q.refusals.ask(p.Queue) {
		q.metrics.count(p.Kind, p.Queue, eventPushFailed)

		return false
	}

	err := q.pusher.Push(ctx, p.Push)
	q.refusals.tell(p.Queue, err)

	if err != nil {
		q.log.DebugContext(ctx, "push failed, left to the relay", slog.String("job_id", p.ID.String()), slog.String("kind", p.Kind), slog.Any("error", err))
		q.metrics.count(p.Kind, p.Queue, eventPushFailed)

		return false
	}

	q.metrics.count(p.Kind, p.Queue, eventPushed)

	if p.replaces && p.Epoch > 1 {
		old := p.Task
		old.Epoch--

		// Only tidiness: a worker that gets the old task finds that it is a duplicate.
		if err := q.pusher.Forget(ctx, old); err != nil {
			q.log.DebugContext(ctx, "replaced task was not removed", slog.String("job_id", p.ID.String()), slog.Any("error", err))
		}
	}

	return true
}

// pushAll pushes many at once and marks them; it reports how many it could.
func (q *Queue) pushAll(ctx context.Context, ps []pushing) int {
	var (
		mu   sync.Mutex
		sent []Task
		wg   sync.WaitGroup
	)

	slots := make(chan struct{}, pushers)

	for _, p := range ps {
		slots <- struct{}{}

		wg.Go(func() {
			defer func() { <-slots }()

			if q.push(ctx, p) {
				mu.Lock()
				sent = append(sent, p.Task)
				mu.Unlock()
			}
		})
	}

	wg.Wait()
	q.mark(ctx, sent)

	return len(sent)
}

// markLoop gathers marks: what comes while one statement is under way goes into the next.
func (q *Queue) markLoop(ctx context.Context, stop <-chan struct{}) {
	for {
		select {
		case t := <-q.marks:
			q.mark(ctx, q.gather(t))
		case <-stop:
			for len(q.marks) > 0 {
				q.mark(ctx, q.gather(<-q.marks))
			}

			return
		}
	}
}

func (q *Queue) gather(first Task) []Task {
	tasks := []Task{first}

	for len(tasks) < markBatch {
		select {
		case t := <-q.marks:
			tasks = append(tasks, t)
		default:
			return tasks
		}
	}

	return tasks
}

// mark tells the relay not to bother.
func (q *Queue) mark(ctx context.Context, tasks []Task) {
	if len(tasks) == 0 {
		return
	}

	ids, epochs := split(tasks)

	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()

	if err := q.db.JobMark(ctx, q.pool, db.JobMarkParams{Ids: ids, Epochs: epochs}); err != nil {
		q.log.DebugContext(ctx, "pushed jobs were not marked", slog.Int("jobs", len(tasks)), slog.Any("error", err))
	}
}

func split(tasks []Task) (ids []uuid.UUID, epochs []int32) {
	for _, t := range tasks {
		ids, epochs = append(ids, t.ID), append(epochs, t.Epoch)
	}

	return ids, epochs
}

// every calls fn at once and then each d until ctx ends.
func every(ctx context.Context, d time.Duration, fn func(context.Context)) {
	t := time.NewTicker(d)
	defer t.Stop()

	for ctx.Err() == nil {
		fn(ctx)

		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
}
