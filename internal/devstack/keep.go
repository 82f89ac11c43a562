package devstack

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	keepPatience = 15 * time.Second       // how long a server is tried to be started again
	keepPause    = 200 * time.Millisecond // between two tries
)

// Keep starts a server again that ends without having been stopped, on its port and with the data that it had on disk,
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

				err := startAgain(ctx, server.start)
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

// startAgain starts a server that was killed. What it leaves behind may be in its way for a moment: Postgres refuses to
// start while a backend of the one before is still about to end.
func startAgain(ctx context.Context, start func(context.Context) error) error {
	for end := time.Now().Add(keepPatience); ; {
		err := start(ctx)
		if err == nil || !errors.Is(err, errEnded) || time.Now().After(end) {
			return err
		}

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(keepPause):
		}
	}
}

// endKeeping has nothing started again from now on.
func (s *Stack) endKeeping() {
	if s.unkeep != nil {
		s.unkeep()
		s.keepers.Wait()
	}
}
