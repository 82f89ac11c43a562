package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/auth/betterauth"
	"imagerun/internal/auth/proxy"
	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/generation/phases"
	"imagerun/internal/httpapi"
	"imagerun/internal/jobs"
	"imagerun/internal/notify"
	"imagerun/internal/ops"
	"imagerun/internal/outbound"
	"imagerun/internal/providers/fal"
	"imagerun/internal/upload"
	"imagerun/queue/asynqueue"
	"imagerun/queue/durable"
)

// drainFor is how long a stopping api answers as before, so that the load balancer notices.
const drainFor = 500 * time.Millisecond

// API accepts generations and shows what becomes of them.
func API() Process {
	return Process{
		Name:  config.ProcessAPI,
		Short: "Serve people and programs",
		Long: `api accepts generations, shows what becomes of them, passes sign-in through to the auth
service and takes the provider's webhooks. It calls no provider. Run any number behind a load
balancer. Its private listener has metrics, health and the queue dashboard.`,
		Run: RunAPI,
	}
}

// RunAPI runs one api process until ctx ends.
func RunAPI(ctx context.Context, cfg config.Config, log *slog.Logger, up func(Addrs)) error {
	b, err := newBase(ctx, config.ProcessAPI, cfg, log)
	if err != nil {
		return err
	}
	defer b.close()

	if len(cfg.Credits.WelcomeKeys) == 0 {
		log.Warn("welcome credits are off: credits.welcome_keys is empty")
	}

	bucket := b.newBucket(b.health.AddMinor) // only downloads and the end of uploads need it; links are signed without it

	var uploads *upload.Service

	service, err := b.newGenerationService(func(d *phases.Deps) {
		uploads = b.newUploadService(bucket, nil)
		d.Bucket = bucket
		d.References = references{uploads}
	})
	if err != nil {
		return err
	}

	b.registry.MustRegister(collectMetrics(b.listDomains(service, uploads, bucket, nil))...)

	notifications := notify.NewSubscriber(b.redis)
	keys := apikey.New(b.pool, apikey.Options{Now: b.clock.Now, Log: log})
	closing := make(chan struct{})

	metrics := httpapi.NewMetrics()
	if cfg.Fal.WebhookURL != "" {
		metrics.ExpectWebhooks("fal")
	}

	handler, err := b.newPublicHandler(service, uploads, notifications, keys, metrics, closing)
	if err != nil {
		return err
	}

	cron, err := durable.NewCron(b.queue, jobs.Schedules()...)
	if err != nil {
		return err
	}

	b.pages = []ops.Page{
		{Path: "/queues", Title: "Queues", Handler: asynqueue.Dashboard(asynqueue.DashboardOptions{
			Client: b.redis, Prefix: "/queues", Admin: b.admin, Cron: cron, Log: log,
		})},
		{Path: "/schedules", Title: "Schedules", Handler: ops.NewSchedulesPage(cron.List, log)},
	}

	listener, err := ops.Listen(ctx, cfg.HTTP.Addr)
	if err != nil {
		return fmt.Errorf("public listener: %w", err)
	}

	listener = httpapi.LimitConns(listener, httpapi.ConnLimits{
		Total: cfg.HTTP.MaxConns, PerAddress: cfg.HTTP.MaxConnsPerAddress, Trusted: cfg.HTTP.TrustedProxies, Metrics: metrics,
	})

	ctx, breaks := context.WithCancelCause(ctx)
	defer breaks(nil)

	// Stopping: not ready, and a moment for routers to notice; streams and waits end, requests
	// finish; then what carries their jobs, notifications and last uses; the private listener and the
	// stores last.
	carry := newStage(ctx, breaks)
	b.runShared(carry.ctx, &carry.loops, config.ProcessAPI)
	carry.run(carry.ctx, "admission", asLoop(func(ctx context.Context) { service.RunAdmission(ctx, 0) }))
	carry.run(carry.ctx, "subscription", asLoop(notifications.Run))
	carry.run(carry.ctx, "api keys", asLoop(keys.Run))

	server := httpapi.NewServer(handler, log)
	public := newStage(ctx, breaks)
	public.run(public.ctx, "public listener", func(context.Context) error { return server.Serve(listener) })

	up(Addrs{Public: listener.Addr().String(), Private: b.listener.Addr().String()})
	<-ctx.Done()

	b.health.Drain()
	pauseInProduction(drainFor, cfg.Env)
	close(closing)
	public.stop()
	shutDownServer(server, log)
	public.wait()
	carry.end()

	return ignoreStop(ctx, context.Cause(ctx))
}

// newPublicHandler builds the handler of the public listener.
func (b *base) newPublicHandler(service *phases.Service, uploads *upload.Service, notifications *notify.Subscriber, keys *apikey.Keys, metrics *httpapi.Metrics, closing <-chan struct{}) (http.Handler, error) {
	upstream, err := url.Parse(b.cfg.Auth.URL)
	if err != nil {
		return nil, errors.New("auth.url is not an address")
	}

	calls := outbound.NewMetrics()
	b.registry.MustRegister(calls.Collectors()...)

	payments, err := b.newPayments(calls)
	if err != nil {
		return nil, err
	}

	sessions := betterauth.New(b.pool, betterauth.Options{Secret: b.cfg.Auth.Secret, Now: b.clock.Now})
	b.registry.MustRegister(metrics.Collectors()...)

	authenticator := auth.NewAuthenticator(sessions, keys, b.cfg.Auth.CookieName)

	return httpapi.New(httpapi.Deps{
		Generations: service, Notifications: notifications, APIKeys: keys, Uploads: uploads, Credits: accounts{b.credits, b.pool},
		Authenticator: authenticator,
		AuthService: proxy.New(proxy.Options{
			Upstream: upstream, Origin: strings.TrimSuffix(b.cfg.HTTP.PublicURL, "/"),
			Client:  proxy.ClientAddress{Header: b.cfg.HTTP.ClientAddressHeader, Trusted: b.cfg.HTTP.TrustedProxies},
			Limiter: b.limiter, Authenticator: authenticator, Secret: b.cfg.Auth.Secret, Now: clock.System,
			Fail: httpapi.Fail(b.log), Log: b.log,
		}),
		AllowedOrigins: b.cfg.HTTP.AllowedOrigins,
		CallbackVerifier: fal.NewVerifier(fal.VerifierOptions{
			JWKSURL: b.cfg.Fal.RestURL + "/.well-known/jwks.json", UserID: b.cfg.Fal.WebhookUserID, Now: clock.System,
			Metrics: calls,
		}),
		Callbacks: service, Plans: b.users, Payments: payments,
		RateLimits: b.limiter,
		Metrics:    metrics, Logger: b.log, Closing: closing,
	}), nil
}

// shutDownServer lets requests finish, for at most fifteen seconds.
func shutDownServer(server *http.Server, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()

	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
		log.Warn("requests were cut off", slog.Any("error", err))

		_ = server.Close()
	}
}

// pauseInProduction waits where there may be a load balancer to notice.
func pauseInProduction(d time.Duration, env config.Environment) {
	if env == config.Production {
		<-time.After(d)
	}
}
