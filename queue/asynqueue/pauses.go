package asynqueue

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"imagerun/queue/durable"
	"imagerun/queue/internal/logthrottle"
	"imagerun/queue/internal/loop"
)

// pausesEvery is how soon a pause set elsewhere, or lost by Redis, is applied.
const pausesEvery = 5 * time.Second

// Pauses makes asynq pause the queues that Postgres says are paused, and no others.
type Pauses struct {
	pusher   *Pusher
	admin    *durable.Admin
	log      *slog.Logger
	throttle logthrottle.Throttle
}

// NewPauses returns what keeps asynq's pauses as admin has them.
func NewPauses(p *Pusher, admin *durable.Admin, log *slog.Logger) *Pauses {
	return &Pauses{pusher: p, admin: admin, log: log}
}

// Restore applies the pauses of these queues. It is for [durable.Options.Restore]: a Redis that
// lost its data must not have a paused queue worked.
func (p *Pauses) Restore(ctx context.Context, queues []string) error {
	paused, err := p.admin.Paused(ctx)
	if err != nil {
		return err
	}

	for {
		if err := p.applyPauses(ctx, queues, paused); err != nil {
			return err
		}

		// An operator may have paused or resumed one between the look and the writing, which undid it.
		now, err := p.admin.Paused(ctx)
		if err != nil || slices.Equal(now, paused) {
			return err
		}

		paused = now
	}
}

func (p *Pauses) applyPauses(ctx context.Context, queues, paused []string) error {
	_, err := p.pusher.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for _, q := range queues {
			if slices.Contains(paused, q) {
				pipe.SetNX(ctx, queueKey(q, "paused"), time.Now().Unix(), 0)
			} else {
				pipe.Del(ctx, queueKey(q, "paused"))
			}
		}

		return nil
	})
	if err != nil {
		return fmt.Errorf("apply pauses: %w", err)
	}

	return nil
}

// Run ends the pauses whose time is over and applies the others, every five seconds until ctx ends; schedulers run it. What asynq's own
// tools pause or resume is undone.
func (p *Pauses) Run(ctx context.Context) error {
	loop.Every(ctx, pausesEvery, func(ctx context.Context) {
		if err := p.runOnce(ctx); err != nil && ctx.Err() == nil {
			p.throttle.Warn(ctx, p.log, "pauses were not applied", slog.Any("error", err))
		}
	})

	return nil
}

func (p *Pauses) runOnce(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pausesEvery)
	defer cancel()

	ended, err := p.admin.EndPauses(ctx)
	if err != nil {
		return err
	}

	for _, q := range ended {
		p.log.InfoContext(ctx, "pause ended, queue resumed", slog.String("queue", q))
	}

	return p.Restore(ctx, p.admin.Queues())
}
