package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"imagerun/internal/jobs"
	"imagerun/queue"
)

// defaultSlice keeps the eight classes that a cadence may have within the timeout of its kind.
const defaultSlice = 30 * time.Second

// Options are the settings of a [Purger].
type Options struct {
	Log *slog.Logger
	// Slice is how long one class is purged before the others have their turn; zero: 30 s. What is left then is done by
	// the same job, when it has let others have its place.
	Slice time.Duration
}

// Purger works the jobs that purge classes by their age.
type Purger struct {
	Options

	classes []Class
	metrics *metrics
}

// NewPurger returns a purger of these classes. It refuses those that do not say how they go, and names given twice.
func NewPurger(o Options, classes ...Class) (*Purger, error) {
	if err := validateClasses(classes); err != nil {
		return nil, err
	}

	if o.Slice <= 0 {
		o.Slice = defaultSlice
	}

	return &Purger{Options: o, classes: classes, metrics: newMetrics(classes)}, nil
}

// Register makes the purger the handler of the kinds of all cadences.
func (p *Purger) Register(r *queue.Registry) {
	queue.Register(r, purges[jobs.PurgeOften]{p, Often})
	queue.Register(r, purges[jobs.PurgeHourly]{p, Hourly})
	queue.Register(r, purges[jobs.PurgeDaily]{p, Daily})
}

// purges works the kind of one cadence.
type purges[T queue.Args] struct {
	*Purger

	cadence Cadence
}

// Handle implements [queue.Handler].
func (h purges[T]) Handle(ctx context.Context, _ *queue.Job[T]) error {
	var (
		failed []error
		left   bool
	)

	for _, c := range h.classes {
		if c.Purge == nil || c.Purge.Cadence != h.cadence {
			continue
		}

		more, err := h.purgeClass(ctx, c)

		if ctx.Err() != nil {
			return context.Cause(ctx) // the job was stopped: that is no class's fault
		}

		h.metrics.countRun(c.Name, more, err)

		if err != nil {
			failed = append(failed, fmt.Errorf("purge %s: %w", c.Name, err))
		}

		left = left || more
	}

	switch {
	case len(failed) > 0:
		return errors.Join(failed...)
	case left:
		return queue.Snooze(0)
	default:
		return nil
	}
}

// purgeClass takes one class step by step, for as long as its slice lasts, and reports whether something may be left.
func (p *Purger) purgeClass(ctx context.Context, c Class) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.Slice)
	defer cancel()

	total := 0

	defer func() {
		if recover() != nil { // what it says may be of a person
			p.Log.ErrorContext(ctx, "purge of a class panicked", slog.String("class", c.Name), slog.String("stack", string(debug.Stack())))

			err = errPanicked
		}

		p.metrics.countPurged(c.Name, total)

		if total > 0 {
			p.Log.InfoContext(ctx, "class was purged", slog.String("class", c.Name), slog.Int("count", total))
		}
	}()

	for steps := 0; steps == 0 || ctx.Err() == nil; steps++ {
		n, err := c.Purge.Step(ctx, c.Purge.Batch)
		total += n

		if err != nil && steps > 0 && ctx.Err() != nil {
			return true, nil // cut off by the end of the slice: it came forward
		}

		if err != nil || n < c.Purge.Batch {
			return false, err
		}
	}

	return true, nil
}

var errPanicked = errors.New("it panicked")

// Former returns the handler of a kind that purged these classes in the release before: its schedulers stage jobs of it until
// the last of them has ended. It goes when that release is gone.
func Former[T queue.Args](classes ...Class) queue.Handler[T] {
	return queue.HandlerFunc[T](func(ctx context.Context, _ *queue.Job[T]) error {
		for _, c := range classes {
			if c.Purge == nil {
				continue
			}

			for {
				n, err := c.Purge.Step(ctx, c.Purge.Batch)
				if err != nil {
					return fmt.Errorf("purge %s: %w", c.Name, err)
				}

				if n < c.Purge.Batch {
					break
				}
			}
		}

		return nil
	})
}
