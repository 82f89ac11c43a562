package durable

import (
	"context"
	"errors"
	"sync"
)

// results are what the engine says of each queue.
type results[T any] []result[T]

type result[T any] struct {
	queue string
	found []T
	err   error
}

// fanOut asks the engine about each queue on its own, all at the same time and for at most a few
// seconds: in a cluster a queue that does not answer is no reason to leave the others.
func fanOut[T any](ctx context.Context, queues []string, about func(context.Context, []string) ([]T, error)) results[T] {
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()

	all := make(results[T], len(queues))

	var wg sync.WaitGroup

	for i, q := range queues {
		wg.Go(func() {
			found, err := about(ctx, []string{q})
			all[i] = result[T]{q, found, err}
		})
	}

	wg.Wait()

	return all
}

// collectFound returns what the queues that answered said.
func (rs results[T]) collectFound() (found []T) {
	for _, one := range rs {
		found = append(found, one.found...)
	}

	return found
}

// unreachableQueues returns the queues that did not answer.
func (rs results[T]) unreachableQueues() []string {
	queues := []string{} // not nil: Postgres would compare with null

	for _, one := range rs {
		if one.err != nil {
			queues = append(queues, one.queue)
		}
	}

	return queues
}

// joinErrors returns why the others did not; nil: all did.
func (rs results[T]) joinErrors() error {
	var errs []error
	for _, one := range rs {
		errs = append(errs, one.err)
	}

	return errors.Join(errs...)
}
