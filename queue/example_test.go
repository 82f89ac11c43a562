package queue_test

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/queue"
)

// A handler looks before it acts, since it may be called again, and asks for more time rather
// than wait.
type submitter struct{ finished bool }

func (s *submitter) Handle(_ context.Context, job *queue.Job[queue.SubmitGeneration]) error {
	if !s.finished {
		s.finished = true

		return queue.Snooze(30 * time.Second)
	}

	fmt.Println("submitted", job.Args.TaskID)

	return nil
}

func Example() {
	reg := queue.NewRegistry(queue.All())
	queue.Register(reg, &submitter{})

	// What a worker does with a claimed job; queuetest does the same against a real Postgres.
	worker, _ := reg.Worker("generation.submit")
	args := fmt.Appendf(nil, `{"task_id":%q}`, uuid.Nil)

	fmt.Println(worker.Work(context.Background(), queue.Claimed{Args: args, Attempt: 1, MaxAttempts: 10}))
	fmt.Println(worker.Work(context.Background(), queue.Claimed{Args: args, Attempt: 1, MaxAttempts: 10}))
	// Output:
	// snoozed for 30s
	// submitted 00000000-0000-0000-0000-000000000000
	// <nil>
}
