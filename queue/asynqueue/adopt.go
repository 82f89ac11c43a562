package asynqueue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
)

// adopter stands between asynq's server and the tasks of a group: as the Redis client of the server it
// answers the question for a task with one that the group gives away, and as its handler it ends that task as
// the group says. Everything else asynq does with Redis itself.
type adopter struct {
	redis.UniversalClient

	tasks *tasks
	quit  chan struct{} // closed: asynq is given nothing more

	next *task // given to asynq, which asks for another queue's; of asynq's processor alone
}

// EvalSha implements redis.Scripter. asynq's processor asks from one goroutine, for one queue after the other.
func (a *adopter) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	if queue, asks := asksForTask(keys); asks {
		cmd := redis.NewCmd(ctx)

		if message := a.giveTask(queue); message == "" {
			cmd.SetErr(redis.Nil)
		} else {
			cmd.SetVal(message)
		}

		return cmd
	}

	return a.UniversalClient.EvalSha(ctx, sha1, keys, args...)
}

// giveTask waits for a task, and returns its message if it is of this queue. asynq comes to the right one.
func (a *adopter) giveTask(queue string) (message string) {
	for a.next == nil {
		if a.next = a.tasks.nextGiven(); a.next != nil {
			break
		}

		select {
		case <-a.tasks.handed:
		case <-a.quit:
			return ""
		}
	}

	if a.next.queue != queue {
		return ""
	}

	message, a.next = a.next.message, nil

	return message
}

// ProcessTask implements asynq.Handler, for a task that was given away.
func (a *adopter) ProcessTask(ctx context.Context, _ *asynq.Task) error {
	name, _ := asynq.GetTaskID(ctx)

	one, ended := a.tasks.findAdopted(name)
	if one == nil {
		return fmt.Errorf("not_ours: %w", asynq.SkipRetry)
	}

	<-ended

	v := a.tasks.leaveToAsynq(one)

	switch v.Do {
	case durable.Again, durable.PutBack:
		return &again{v}
	case durable.Bury:
		return fmt.Errorf("%s: %w", v.Code, asynq.SkipRetry)
	default:
		return nil
	}
}

// again tells asynq when to bring a task back. Its text is a code, which the dashboard shows.
type again struct{ durable.Verdict }

func (a *again) Error() string { return a.Code }

func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	if a, ok := errors.AsType[*again](err); ok {
		return time.Duration(math.Ceil(a.After.Seconds())) * time.Second // asynq keeps whole seconds
	}

	return time.Second // asynq's own reasons: it will prove a duplicate
}

func isFailure(err error) bool {
	a, ok := errors.AsType[*again](err)

	return ok && a.Spent
}
