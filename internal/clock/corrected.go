package clock

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// measureEvery is how often the difference between two clocks is looked at.
const measureEvery = 10 * time.Second

// Corrected tells the time of another machine: this one's clock, corrected by the difference that was measured last,
// which is none before the first look. With the database's clock, deadlines, expiry and purges come at the same time in
// every process. Safe for concurrent use.
type Corrected struct {
	measure func(ctx context.Context) (least, most time.Duration, err error)
	log     *slog.Logger

	skew    atomic.Int64 // nanoseconds
	metrics metrics
}

// NewCorrected returns a clock that [Corrected.Run] keeps right. measure returns by how much the other is ahead at least,
// and at most: an answer takes its time.
func NewCorrected(measure func(ctx context.Context) (least, most time.Duration, err error), log *slog.Logger) *Corrected {
	return &Corrected{measure: measure, log: log, metrics: newMetrics()}
}

// Now is a [Now].
func (c *Corrected) Now() time.Time { return System().Add(c.Skew()).Truncate(time.Microsecond) }

// Skew returns by how much the other clock is ahead of this machine's.
func (c *Corrected) Skew() time.Duration { return time.Duration(c.skew.Load()) }

// Run measures the difference until ctx ends.
func (c *Corrected) Run(ctx context.Context) {
	Every(ctx, measureEvery, func(ctx context.Context) {
		if err := c.Measure(ctx); err != nil && ctx.Err() == nil {
			c.log.DebugContext(ctx, "clock skew was not measured", slog.Any("error", err))
		}
	})
}

// Measure looks at the other clock once. What is known of it changes no more than the look proves: a slow answer leaves
// it as it is, and clocks that agree are not corrected at all. After an error it is what it was.
func (c *Corrected) Measure(ctx context.Context) error {
	least, most, err := c.measure(ctx)
	if err != nil {
		return err
	}

	skew := min(max(c.Skew(), least), most)

	c.skew.Store(int64(skew))
	c.metrics.skew.Set(skew.Seconds())

	return nil
}
