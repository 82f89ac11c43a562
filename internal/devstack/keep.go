package devstack

import (
	"context"
	"fmt"
)

// Keep starts a server again that ends although nobody stopped it, on its port and with the data that it had on disk,
// until [Stack.Stop]. It tells which; an error means that this server stays away.
func (s *Stack) Keep(ctx context.Context, tell func(name string, err error)) {
	ctx, s.unkeep = context.WithCancel(ctx)

	for name, server := range map[string]struct {
		running func() *process
		start   func(context.Context) error
	}{
		"Postgres": {func() *process { return s.Postgres.process }, s.Postgres.start},
		"Redis":    {func() *process { return s.Redis.process }, s.Redis.start},
		"S3":       {func() *process { return s.S3.process }, s.S3.start},
	} {
		s.keepers.Go(func() {
			for {
				select {
				case <-server.running().done:
				case <-ctx.Done():
					return
				}

				err := server.start(ctx)
				if ctx.Err() != nil {
					return
				}

				if err != nil {
					tell(name, fmt.Errorf("start %s again: %w", name, err))

					return
				}

				tell(name, nil)
			}
		})
	}
}

// endKeeping has nothing started again from now on.
func (s *Stack) endKeeping() {
	if s.unkeep != nil {
		s.unkeep()
		s.keepers.Wait()
	}
}
