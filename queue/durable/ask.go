package durable

import (
	"context"
	"errors"
	"sync"
)

// answers are what the engine says of each queue.
type answers[T any] []answer[T]

type answer[T any] struct {
	queue string
	found []T
	err   error
}

// ask asks the engine about each queue on its own, all at the same time and for at most a few
// seconds: in a cluster a queue that does not answer is no reason to leave the others.
func ask[T any](ctx context.Context, queues []string, about func(context.Context, []string) ([]T, error)) answers[T] {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()

	all := make(answers[T], len(queues))

	var wg sync.WaitGroup

	for i, q := range queues {
		wg.Go(func() {
			found, err := about(ctx, []string{q})
			all[i] = answer[T]{q, found, err}
		})
	}

	wg.Wait()

	return all
}

// all returns what the queues that answered said.
func (a answers[T]) all() (found []T) {
	for _, one := range a {
		found = append(found, one.found...)
	}

	return found
}

// silent returns the queues that did not answer.
func (a answers[T]) silent() []string {
	queues := []string{} // not nil: Postgres would compare with null

	for _, one := range a {
		if one.err != nil {
			queues = append(queues, one.queue)
		}
	}

	return queues
}

func (a answers[T]) err() error {
	var errs []error
	for _, one := range a {
		errs = append(errs, one.err)
	}

	return errors.Join(errs...)
}
