package app

import (
	"context"
	"fmt"
	"sync"
)

// loops are goroutines of which none may end by itself before it is told to.
type loops struct {
	wg     sync.WaitGroup
	cancel context.CancelCauseFunc // of the process: the first loop that breaks ends it
}

// run starts fn. When it ends before its ctx does, the process ends with its error.
func (l *loops) run(ctx context.Context, name string, fn func(context.Context) error) {
	l.wg.Go(func() {
		if err := fn(ctx); ctx.Err() == nil {
			l.cancel(fmt.Errorf("%s ended by itself: %w", name, err))
		}
	})
}

func (l *loops) wait() { l.wg.Wait() }

// asLoop makes a loop of a function that says nothing at its end.
func asLoop(fn func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		fn(ctx)

		return ctx.Err()
	}
}

// stage is a step of stopping: a context that ends when the step comes, and what runs in it.
type stage struct {
	loops

	ctx  context.Context //nolint:containedctx // that is what a stage is
	stop context.CancelFunc
}

// newStage returns a stage that ends when stop is called, not with the process's context.
func newStage(ctx context.Context, breaks context.CancelCauseFunc) *stage {
	own, stop := context.WithCancel(context.WithoutCancel(ctx))

	return &stage{loops: loops{cancel: breaks}, ctx: own, stop: stop}
}

// end stops the stage and waits for everything in it.
func (s *stage) end() {
	s.stop()
	s.wait()
}
