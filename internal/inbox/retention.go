package inbox

import (
	"context"
	"fmt"

	"imagerun/internal/inbox/db"
	"imagerun/internal/retention"
)

const (
	bodyLifetime  = 30 * retention.Day
	eventLifetime = retention.Year
	// purgeDelay is by how much a purge may be late, so that no body is kept longer than was promised.
	purgeDelay = retention.Day
)

// Retention is what is kept of events, and for how long.
func (b *Inbox) Retention() []retention.Class {
	return []retention.Class{
		{
			Name:   "inbox_body",
			Tables: []retention.Table{{Name: "inbox_event", Columns: []string{"body"}, After: bodyLifetime}},
			Purge:  &retention.Purge{Cadence: retention.Hourly, Batch: 500, Step: b.eraseBodies},
		},
		{
			Name:   "inbox_event",
			Tables: []retention.Table{{Name: "inbox_event", Columns: []string{"code", "event_id", "event_type", "source", "state"}, After: eventLifetime}},
			Purge:  &retention.Purge{Cadence: retention.Daily, Batch: 1000, Step: b.forgetEvents},
		},
	}
}

// eraseBodies erases what events of long ago said.
func (b *Inbox) eraseBodies(ctx context.Context, batch int) (int, error) {
	n, err := b.db.BodiesErase(ctx, b.Pool, db.BodiesEraseParams{Before: b.Now().Add(purgeDelay - bodyLifetime), Most: int32(batch)}) //nolint:gosec // hundreds
	if err != nil {
		return 0, fmt.Errorf("erase bodies of events: %w", err)
	}

	return int(n), nil
}

// forgetEvents forgets that events of very long ago came.
func (b *Inbox) forgetEvents(ctx context.Context, batch int) (int, error) {
	n, err := b.db.EventsForget(ctx, b.Pool, db.EventsForgetParams{Before: b.Now().Add(-eventLifetime), Most: int32(batch)}) //nolint:gosec // a thousand
	if err != nil {
		return 0, fmt.Errorf("forget events: %w", err)
	}

	return int(n), nil
}
