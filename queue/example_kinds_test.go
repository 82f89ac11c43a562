package queue_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"imagerun/queue"
)

// A table of kinds says of each how it is treated, field by field.
func ExampleNewKinds() {
	p, ok := kinds().Policy("email.receipt")
	fmt.Println(ok, p.Args.Kind(), p.Backoff.Delay(1), p.Backoff.Delay(3), p.Backoff.Delay(99))
	// Output: true email.send_receipt 2s 8s 1m0s
}

// On its last attempt a handler can settle instead of failing.
func ExampleJob_LastAttempt() {
	handle := func(_ context.Context, job *queue.Job[SendReceipt]) error {
		err := errors.New("vendor is away")
		if job.LastAttempt() {
			return queue.Cancel(err) // dead now, rather than once more
		}

		return err
	}

	fmt.Println(handle(context.Background(), &queue.Job[SendReceipt]{Attempt: 9, MaxAttempts: 10}))
	fmt.Println(handle(context.Background(), &queue.Job[SendReceipt]{Attempt: 10, MaxAttempts: 10}))
	// Output:
	// vendor is away
	// canceled: vendor is away
}

// A schedule makes a job of each tick. Several schedulers may run it: each tick is one job.
func ExampleSchedule() {
	s := queue.Schedule{
		Name:    "reports.daily",
		Spec:    "17 4 * * *", // in UTC
		Args:    func(time.Time) queue.Args { return SendReport{} },
		CatchUp: 24 * time.Hour, // a tick that no scheduler was there for is still staged
		Overlap: queue.Skip,     // but not while the last one's job lives
	}

	fmt.Println(s.Args(time.Now()).Kind())
	// Output: reports.send
}

// SendReport is the arguments of a job that a clock stages: it has none.
type SendReport struct{}

// Kind implements [queue.Args].
func (SendReport) Kind() string { return "reports.send" }
