package app

import (
	"context"
	"errors"
	"log/slog"

	"imagerun/internal/config"
	"imagerun/internal/generation/phases"
	"imagerun/internal/outbound"
	"imagerun/internal/payments"
	"imagerun/internal/picture"
	"imagerun/internal/postgres"
	"imagerun/internal/providers"
	"imagerun/internal/providers/fal"
	"imagerun/internal/retention"
	"imagerun/internal/storage/sweep"
	"imagerun/internal/upload"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// workerMemory keeps a worker below 300 MB while it decodes what its opener lets in: without a
// limit the runtime lets garbage grow to as much again.
const workerMemory = 240 << 20

// Worker works the jobs.
func Worker() Process {
	return Process{
		Name:  config.ProcessWorker,
		Short: "Work the jobs",
		Long: `worker hands generations to the provider, collects and stores their images, and tidies up.
It never waits for a running image. Run as many as there is work for; one that is killed loses
nothing.`,
		Run:    RunWorker,
		Memory: workerMemory,
	}
}

// RunWorker runs one worker process until ctx ends.
func RunWorker(ctx context.Context, cfg config.Config, log *slog.Logger, up func(Addrs)) (err error) {
	b, err := newBase(ctx, config.ProcessWorker, cfg, log)
	if err != nil {
		return err
	}

	defer func() {
		// What is still running uses the stores; the end of the process closes them.
		switch {
		case errors.Is(err, asynqueue.ErrHandlersLeft):
		case errors.Is(err, asynqueue.ErrEngineLeft):
			err = nil // every job is done or handed on
		default:
			b.close()
		}
	}()

	f := cfg.Fal
	calls := outbound.NewMetrics()
	b.registry.MustRegister(calls.Collectors()...)

	bucket := b.newBucket(b.health.Add)
	pictures := picture.NewOpener(picture.Limits{}, 0) // one for all, since its memory is the process's

	var uploads *upload.Service

	service, err := b.newGenerationService(func(d *phases.Deps) {
		uploads = b.newUploadService(bucket, pictures)
		d.Bucket = bucket
		d.Pictures = pictures
		d.References = references{uploads}

		client := fal.New(fal.Options{
			Key: f.Key, AdminKey: f.AdminKey, QueueURL: f.QueueURL, APIURL: f.APIURL, MediaHosts: f.MediaHosts, AllowPrivateMedia: f.AllowPrivateMedia,
			Metrics: calls,
		})
		if d.Provider = client; !f.AdminKey.IsZero() {
			d.Biller = client
		}
	})
	if err != nil {
		return err
	}

	domains := b.listDomains(service, uploads, bucket, newCreem(cfg.Creem, calls))

	purger, err := retention.NewPurger(retention.Options{Log: log}, collectClasses(domains)...)
	if err != nil {
		return err
	}

	registry, err := registerHandlers(domains, purger)
	if err != nil {
		return err
	}

	b.registry.MustRegister(collectMetrics(domains)...)
	b.registry.MustRegister(purger.Collectors()...)

	groups, err := groupsOf(cfg.Worker.Queues)
	if err != nil {
		return err
	}

	runner := durable.NewRunner(b.queue, registry, durable.RunnerOptions{Log: log, Code: codeOf, Outage: postgres.Outage})

	server, err := asynqueue.NewServer(b.redis, runner, asynqueue.ServerOptions{
		Groups: groups, Log: log, FinishWithin: cfg.Worker.SoftStop, ExitWithin: cfg.Worker.HardStop,
	})
	if err != nil {
		return err
	}

	b.health.Add("redis", func(ctx context.Context) error {
		if !server.Ready() {
			return errors.New("the worker takes no jobs: Redis is away or unfit, or it is stopping")
		}

		return asynqueue.Check(ctx, b.redis) // it may have gone, or become another, since
	})

	ctx, breaks := context.WithCancelCause(ctx)
	defer breaks(nil)

	// Stopping: not ready; the server stops fetching, lets jobs finish and hands the rest back;
	// then what carries their jobs and notifications; the stores last.
	carry := newStage(ctx, breaks)
	b.runShared(carry.ctx, &carry.loops, config.ProcessWorker)
	carry.run(carry.ctx, "admission", asLoop(func(ctx context.Context) { service.RunAdmission(ctx, 0) }))

	up(Addrs{Private: b.listener.Addr().String()})
	err = server.Run(ctx)

	b.health.Drain()
	carry.end()

	if err != nil {
		return err
	}

	return ignoreStop(ctx, context.Cause(ctx))
}

// codeOf names a handler's error for the job table, the dashboard and the metrics.
func codeOf(err error) string {
	if e, ok := errors.AsType[*providers.Error](err); ok {
		return "provider_" + string(e.Class)
	}

	if e, ok := errors.AsType[*outbound.Error](err); ok {
		return e.Code()
	}

	if class := payments.ClassOf(err); class != "" {
		return "vendor_" + string(class)
	}

	if errors.Is(err, sweep.ErrImplausible) {
		return "sweep_implausible"
	}

	return "error"
}
