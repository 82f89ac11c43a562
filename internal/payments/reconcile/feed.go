package reconcile

import (
	"context"
	"fmt"

	"imagerun/internal/payments"
)

// feedPages bounds what one run takes from the feed.
const feedPages = 100

// Feed is the vendor's pull feed of events: a second way for those whose webhook was lost.
type Feed struct {
	// List returns the oldest events that wait.
	List func(ctx context.Context) ([]payments.FeedEvent, error)
	// Ack has the vendor forget one.
	Ack func(ctx context.Context, id string) error
	// Receive commits one here, once.
	Receive func(ctx context.Context, e payments.FeedEvent) error
}

// pull takes in what waits in the feed.
func (f *Feed) pull(ctx context.Context, report *Report) error {
	for range feedPages {
		list, err := f.List(ctx)
		report.Calls++

		if err != nil || len(list) == 0 {
			return err
		}

		for _, e := range list {
			if err := f.Receive(ctx, e); err != nil {
				return fmt.Errorf("take event in: %w", err)
			}

			report.Calls++
			report.Events++

			if err := f.Ack(ctx, e.ID); err != nil {
				return err
			}
		}
	}

	return nil
}
