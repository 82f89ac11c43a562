package app

import (
	"context"
	"log/slog"
	"time"

	"imagerun/internal/config"
	"imagerun/internal/credits"
	"imagerun/internal/generation/bills"
	"imagerun/internal/inbox"
	"imagerun/internal/jobs"
	"imagerun/internal/payments/reconcile"
	"imagerun/internal/storage/sweep"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// Scheduler keeps jobs moving.
func Scheduler() Process {
	return Process{
		Name:  config.ProcessScheduler,
		Short: "Keep jobs moving",
		Long: `scheduler relays jobs that were not pushed, hands on those whose worker died, repairs what Redis
lost, admits generations to free slots, ends those past their deadline and fires the schedules.
Run at least two; whatever several do at once is done once.`,
		Run: RunScheduler,
	}
}

// RunScheduler runs one scheduler process until ctx ends.
func RunScheduler(ctx context.Context, cfg config.Config, log *slog.Logger, up func(Addrs)) error {
	b, err := newBase(ctx, config.ProcessScheduler, cfg, log)
	if err != nil {
		return err
	}
	defer b.close()

	service, err := b.newGenerationService(nil)
	if err != nil {
		return err
	}

	cron, err := durable.NewCron(b.queue, jobs.Schedules()...)
	if err != nil {
		return err
	}

	b.registry.MustRegister(collectMetrics(b.listDomains(service, nil, nil, nil))...)
	b.registry.MustRegister(asynqueue.NewCollector(b.pusher, jobs.Kinds().Queues(), log), b.queue.TableCollector(),
		sweep.Collector(b.pool, log), credits.TableCollector(b.pool, log, b.clock.Now),
		bills.Collector(b.pool, log, cfg.Credits.Value()), reconcile.TableCollector(b.pool, log, b.clock.Now),
		inbox.TableCollector(b.pool, log, b.clock.Now))

	ctx, breaks := context.WithCancelCause(ctx)
	defer breaks(nil)

	// Stopping: the loops that decide, then what carries their jobs and notifications; the stores last.
	carry, decide := newStage(ctx, breaks), newStage(ctx, breaks)
	b.runShared(carry.ctx, &carry.loops, config.ProcessScheduler)

	for name, loop := range map[string]func(context.Context) error{
		"maintenance": b.queue.Maintain,
		"admission":   asLoop(func(ctx context.Context) { service.RunAdmission(ctx, time.Second) }),
		"deadlines":   asLoop(func(ctx context.Context) { service.RunDeadlines(ctx, time.Second) }),
		"schedules":   cron.Run,
		"pauses":      b.pauses.Run,
	} {
		decide.run(decide.ctx, name, loop)
	}

	up(Addrs{Private: b.listener.Addr().String()})
	<-ctx.Done()

	b.health.Drain()
	decide.end()
	carry.end()

	return ignoreStop(ctx, context.Cause(ctx))
}
