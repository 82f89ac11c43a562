package app

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"imagerun/internal/auth/betterauth"
	"imagerun/internal/credits"
	"imagerun/internal/generation/phases"
	"imagerun/internal/idempotency"
	"imagerun/internal/inbox"
	"imagerun/internal/jobs"
	"imagerun/internal/jobs/jobaudit"
	"imagerun/internal/payments/creem"
	"imagerun/internal/retention"
	"imagerun/internal/storage/sweep"
	"imagerun/internal/upload"
	"imagerun/queue"
)

// domain is what a domain offers to the processes: the handlers of its jobs, its metrics, and what it keeps for how long.
type domain interface {
	Register(r *queue.Registry)
	Collectors() []prometheus.Collector
	Retention() []retention.Class
}

// worksJobs is a part of a domain that only works jobs: the domain says what is kept.
type worksJobs struct {
	part interface{ Register(r *queue.Registry) }
}

func (w worksJobs) Register(r *queue.Registry)         { w.part.Register(r) }
func (w worksJobs) Collectors() []prometheus.Collector { return nil }
func (w worksJobs) Retention() []retention.Class       { return nil }

// listDomains lists every domain. A scheduler has no uploads and no bucket, and sweeps none: nil. Only a worker has the vendor of payments.
func (b *base) listDomains(service *phases.Service, uploads *upload.Service, bucket sweep.Bucket, seller *creem.Client) []domain {
	kept := b.newBooks(seller)
	box := b.newInbox(map[string]inbox.Handler{sourceCreem: kept.HandleEvent})

	list := []domain{
		service,
		credits.NewJobs(b.credits, b.pool, b.log),
		idempotency.NewRecords(b.pool, b.clock.Now),
		betterauth.NewAccounts(b.pool),
		jobaudit.New(b.admin),
		box,
		kept,
		worksJobs{b.newReconciler(kept, seller, box)},
		worksJobs{b.newRefunds(seller)},
		worksJobs{b.newSubscriptions(seller)},
	}

	if uploads != nil {
		list = append(list, uploads,
			sweep.NewHandler(sweep.Deps{Sweeper: NewSweeper(b.pool, bucket, b.clock.Now), Pool: b.pool, Log: b.log}))
	}

	return list
}

// collectMetrics gathers the metrics of domains.
func collectMetrics(domains []domain) (all []prometheus.Collector) {
	for _, d := range domains {
		all = append(all, d.Collectors()...)
	}

	return all
}

// collectClasses gathers what domains keep.
func collectClasses(domains []domain) (all []retention.Class) {
	for _, d := range domains {
		all = append(all, d.Retention()...)
	}

	return all
}

// registerHandlers gathers the handlers of domains and of what purges their classes: one for each kind in the table.
func registerHandlers(domains []domain, purger *retention.Purger) (*queue.Registry, error) {
	registry := queue.NewRegistry(jobs.Kinds())
	purger.Register(registry)

	for _, d := range domains {
		d.Register(registry)
	}

	for _, p := range jobs.Kinds().Policies() {
		if _, ok := registry.Worker(p.Args.Kind()); !ok {
			return nil, fmt.Errorf("kind %s has no handler", p.Args.Kind())
		}
	}

	return registry, nil
}

// RetentionClasses returns what the product keeps and for how long, for reading: nothing is behind their steps.
func RetentionClasses() []retention.Class {
	return collectClasses(new(base).listDomains(new(phases.Service), new(upload.Service), nil, nil))
}
