package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/phases"
	"imagerun/internal/jobs"
	"imagerun/internal/notify"
	"imagerun/internal/ops"
	"imagerun/internal/payments/products"
	"imagerun/internal/plan"
	"imagerun/internal/postgres"
	"imagerun/internal/ratelimit"
	"imagerun/internal/storage/r2"
	"imagerun/internal/telemetry"
	"imagerun/internal/user"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// base is what every process has.
type base struct {
	cfg      config.Config
	log      *slog.Logger
	pool     *pgxpool.Pool
	clock    *clock.Corrected
	redis    redis.UniversalClient
	pusher   *asynqueue.Pusher
	queue    *durable.Queue
	admin    *durable.Admin
	pauses   *asynqueue.Pauses
	notifier *notify.Notifier
	registry *prometheus.Registry
	health   *telemetry.Health
	limiter  *ratelimit.Limiter
	listener net.Listener // the private one
	pages    []ops.Page
	credits  *credits.Ledger
	plans    *plan.Plans
	products *products.Products
	users    *user.Directory
}

func newBase(ctx context.Context, process config.Process, cfg config.Config, log *slog.Logger) (*base, error) {
	plans, err := loadFile(cfg.Generation.PlansPath, plan.Load)
	if err != nil {
		return nil, err
	}

	sold, err := loadProducts(cfg)
	if err != nil {
		return nil, err
	}

	pool, err := postgres.Open(ctx, postgres.Options{
		URL: cfg.Postgres.URL.Reveal(), AppName: "imagerun-" + string(process),
		MaxConns: int32(cfg.Postgres.MaxConns), StatementTimeout: cfg.Postgres.StatementTimeout,
	})
	if err != nil {
		return nil, err
	}

	client, err := asynqueue.Connect(cfg.Redis.URL.Reveal(), redisConns(cfg, process))
	if err != nil {
		pool.Close()

		return nil, err
	}

	b := &base{
		cfg: cfg, log: log, pool: pool, clock: clock.NewCorrected(func(ctx context.Context) (least, most time.Duration, err error) { return postgres.Skew(ctx, pool) }, log), redis: client,
		pusher:   asynqueue.NewPusher(client),
		notifier: notify.New(client, log),
		plans:    plans,
		products: sold,
		registry: telemetry.NewRegistry(string(process), telemetry.Version()),
		health:   telemetry.NewHealth(log, 2*time.Second),
	}
	b.credits = newLedger(cfg.Credits, b.clock.Now)
	b.users = user.New(pool, plans, b.clock.Now)
	b.queue = durable.New(pool, jobs.Kinds(), durable.Options{
		Pusher: b.pusher, Log: log,
		Restore: func(ctx context.Context, queues []string) error { return b.pauses.Restore(ctx, queues) },
	})
	b.admin = durable.NewAdmin(b.queue)
	b.pauses = asynqueue.NewPauses(b.pusher, b.admin, log)

	b.health.Add("postgres", b.postgresReady)
	b.health.Add("clock", b.clockReady)
	b.registry.MustRegister(b.clock.Collectors()...)
	b.registry.MustRegister(b.queue.Collectors()...)

	limits := ratelimit.NewMetrics()
	b.registry.MustRegister(limits.Collectors()...)
	b.limiter = ratelimit.New(client, ratelimit.Options{Metrics: limits, Log: log, Now: clock.System})

	if b.listener, err = ops.Listen(ctx, cfg.Ops.Addr); err != nil {
		b.close()

		return nil, fmt.Errorf("private listener: %w", err)
	}

	return b, nil
}

// postgresReady is a check of readiness: Postgres answers, and takes writes.
func (b *base) postgresReady(ctx context.Context) error {
	err := postgres.Ready(ctx, b.pool)
	if errors.Is(err, postgres.ErrReadOnly) {
		return telemetry.CheckError("takes no writes")
	}

	return err
}

// maxSkew is by how much the machine's clock and the database's may differ. Beyond it something is wrong with one of
// them, and what others compute with theirs is wrong too: vendors' signatures, links.
const maxSkew = 5 * time.Second

// clockReady is a check of readiness: the clocks agree.
func (b *base) clockReady(context.Context) error {
	if skew := b.clock.Skew(); skew.Abs() > maxSkew {
		return telemetry.CheckError(fmt.Sprintf("the database's is %s ahead", skew.Round(time.Millisecond)))
	}

	return nil
}

// redisConns is how many connections a process may need at once: a worker one for each queue
// that it waits for, a few for asynq's loops, and one for each job that comes back; others a few.
func redisConns(cfg config.Config, process config.Process) int {
	if process != config.ProcessWorker {
		return 20
	}

	n := 32
	for _, concurrency := range cfg.Worker.Queues {
		n += concurrency
	}

	return n
}

// runShared serves the private listener and pushes what commits hand over, until ctx ends.
func (b *base) runShared(ctx context.Context, l *loops, process config.Process) {
	handler := ops.New(ops.Options{
		Process: string(process), Version: telemetry.Version(), User: b.cfg.Ops.User, Password: b.cfg.Ops.Password,
		Metrics: b.registry, Health: b.health, Limiter: b.limiter, Log: b.log, Pages: b.pages,
	})

	l.run(ctx, "private listener", func(ctx context.Context) error {
		return ops.Serve(ctx, b.listener, handler, b.log, time.Second)
	})
	l.run(ctx, "queue", b.queue.Run)
	l.run(ctx, "clock", asLoop(b.clock.Run))
	l.run(ctx, "notifications", asLoop(b.notifier.Run))
}

// close lets go of the stores. Everything that uses them has ended.
func (b *base) close() {
	if b.listener != nil {
		_ = b.listener.Close() // closed already, unless the process never ran
	}

	_ = b.redis.Close()
	b.pool.Close()
}

// newGenerationService builds the domain, without what only workers need.
func (b *base) newGenerationService(edit func(*phases.Deps)) (*phases.Service, error) {
	models, err := loadFile(b.cfg.Generation.CataloguePath, catalogue.Load)
	if err != nil {
		return nil, err
	}

	g := b.cfg.Generation
	deps := phases.Deps{
		Pool: b.pool, Queue: b.queue, Catalogue: models, Plans: b.plans, Users: b.users, Credits: b.credits, Notifier: b.notifier, Watches: notify.NewWatches(b.redis), Log: b.log, Now: b.clock.Now,
		Options: generation.Options{
			Slots: b.cfg.Fal.Slots, Deadline: g.Deadline, MaxDeadline: g.MaxDeadline, UnknownWait: g.UnknownWait,
			CollectFirst: g.CollectFirst, CollectEvery: g.CollectEvery, PollEvery: g.CollectWithoutWebhook,
			OutputLifetime: g.OutputLifetime, CallbackURL: b.cfg.Fal.WebhookURL, CallbackSecret: g.CallbackSecret,
		},
	}

	if edit != nil {
		edit(&deps)
	}

	return phases.New(deps), nil
}

// newBucket builds the store of images and has its health watched by add.
func (b *base) newBucket(add func(name string, check telemetry.Check)) *r2.Bucket {
	s := b.cfg.Storage
	bucket := r2.New(r2.Options{
		Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
		Bucket: s.Bucket, LinkWindow: s.LinkWindow, Now: clock.System,
	})
	add("storage", bucket.Ready)

	return bucket
}

// CheckFiles says what is wrong with the files that the configuration names.
func CheckFiles(cfg config.Config) error {
	_, catalogueErr := loadFile(cfg.Generation.CataloguePath, catalogue.Load)
	_, plansErr := loadFile(cfg.Generation.PlansPath, plan.Load)
	_, productsErr := loadProducts(cfg)

	return errors.Join(catalogueErr, plansErr, productsErr)
}

// loadFile loads path, or what is built in when there is none.
func loadFile[T any](path string, load func([]byte) (T, error)) (t T, err error) {
	var data []byte

	if path != "" {
		if data, err = os.ReadFile(path); err != nil {
			return t, fmt.Errorf("read %s: %w", path, err)
		}
	}

	return load(data)
}
