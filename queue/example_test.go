package queue_test

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/queue"
)

// SendReceipt is a kind's arguments: ids, numbers, times and closed words.
type SendReceipt struct {
	PaymentID uuid.UUID `json:"payment_id"`
}

// Kind implements [queue.Args].
func (SendReceipt) Kind() string { return "email.send_receipt" }

// kinds is the program's table.
func kinds() queue.Kinds {
	return queue.NewKinds(queue.Policy{
		Args:     SendReceipt{},
		Aliases:  []string{"email.receipt"}, // jobs staged before it was renamed still run
		Queue:    "vendor",
		Attempts: 10,
		Timeout:  time.Minute,
		Backoff:  queue.Backoff{First: 2 * time.Second, Max: time.Minute, Factor: 2},
		Final:    []string{"no_such_address"}, Snooze: 10 * time.Second,
	})
}

// A handler looks before it acts, since it may be called again, and asks for more time rather
// than wait.
type sender struct{ finished bool }

func (s *sender) Handle(_ context.Context, job *queue.Job[SendReceipt]) error {
	if !s.finished {
		s.finished = true

		return queue.Snooze(30 * time.Second)
	}

	fmt.Println("sent", job.Args.PaymentID)

	return nil
}

func Example() {
	reg := queue.NewRegistry(kinds())
	queue.Register(reg, &sender{})

	// What a worker does with a claimed job; queuetest does the same against a real Postgres.
	worker, _ := reg.Worker("email.send_receipt")
	args := fmt.Appendf(nil, `{"payment_id":%q}`, uuid.Nil)

	fmt.Println(worker.Work(context.Background(), queue.Claimed{Args: args, Attempt: 1, MaxAttempts: 10}))
	fmt.Println(worker.Work(context.Background(), queue.Claimed{Args: args, Attempt: 1, MaxAttempts: 10}))
	// Output:
	// snoozed for 30s
	// sent 00000000-0000-0000-0000-000000000000
	// <nil>
}
