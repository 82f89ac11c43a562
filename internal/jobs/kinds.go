package jobs

import (
	"time"

	"imagerun/queue"
)

// Kinds returns the product's table of kinds. A row begins with what kinds like it share, and says where it differs.
// Where the queues find workers is in [Groups].
func Kinds() queue.Kinds {
	return queue.NewKinds(
		awaitedPolicy(SubmitGeneration{}, func(p *queue.Policy) { p.Final, p.Snooze = rejected, 10*time.Second }),
		awaitedPolicy(CollectGeneration{}, func(p *queue.Policy) {
			p.Attempts, p.Timeout, p.Backoff.Factor = 30, 90*time.Second, 1.6
			p.Final, p.Snooze = rejected, 10*time.Second
		}),
		awaitedPolicy(InspectUpload{}),
		awaitedPolicy(WorkInboxEvent{}, func(p *queue.Policy) {
			p.Attempts, p.Backoff.Max, p.Snooze = 20, 15*time.Minute, 10*time.Second
		}),

		paymentPolicy(LookAtCheckout{}),
		paymentPolicy(LookAtSubscription{}),
		paymentPolicy(LookAtOrder{}),
		paymentPolicy(RefundOrder{}, func(p *queue.Policy) { p.Backoff.First = time.Minute }),
		paymentPolicy(CancelSubscription{}),
		paymentPolicy(SettlePayments{}, func(p *queue.Policy) { p.Attempts, p.Timeout = 5, 5*time.Minute }),
		paymentPolicy(ReconcilePayments{}, func(p *queue.Policy) { p.Attempts, p.Timeout = 10, 10*time.Minute }),

		vendorPolicy(CancelAttempt{}, func(p *queue.Policy) { p.Snooze = 5 * time.Second }),
		vendorPolicy(EraseAttempt{}),

		erasurePolicy(EraseGeneration{}, func(p *queue.Policy) { p.Final = rejected }),
		erasurePolicy(EraseUpload{}),

		retentionPolicy(PurgeOften{}),
		retentionPolicy(PurgeHourly{}),
		retentionPolicy(PurgeDaily{}),
		retentionPolicy(PurgeGenerations{}),
		retentionPolicy(PurgeUploads{}),
		retentionPolicy(SweepObjects{}),
		retentionPolicy(ExpireCredits{}),
		retentionPolicy(AuditCredits{}, func(p *queue.Policy) {
			p.Attempts, p.Timeout = 5, time.Hour
			p.Backoff.First, p.Backoff.Max = time.Minute, time.Hour
		}),
		retentionPolicy(CompareBills{}, func(p *queue.Policy) { p.Queue = "vendor" }),

		// Of the release before, whose schedulers stage them until they have ended: the next release drops them.
		retentionPolicy(PurgeIdempotency{}),
		retentionPolicy(PurgeAuth{}),
		retentionPolicy(PurgeTombstones{}),
		retentionPolicy(PurgeJobAudit{}),
	)
}

// rejected is the code of what a provider will refuse again.
var rejected = []string{"provider_rejected"}

// awaitedPolicy is a kind that a person waits for: soon again, and not for long.
func awaitedPolicy(args queue.Args, edits ...func(*queue.Policy)) queue.Policy {
	return applyEdits(queue.Policy{
		Args:     args,
		Queue:    "generation",
		Attempts: 10,
		Timeout:  60 * time.Second,
		Backoff:  queue.Backoff{First: 2 * time.Second, Max: time.Minute, Factor: 2, Jitter: 0.2},
		Final:    []string{},
		Snooze:   time.Second,
	}, edits)
}

// vendorPolicy is a kind that tidies up at a vendor, who may be away for hours.
func vendorPolicy(args queue.Args, edits ...func(*queue.Policy)) queue.Policy {
	return applyEdits(queue.Policy{
		Args:     args,
		Queue:    "vendor",
		Attempts: 50,
		Timeout:  60 * time.Second,
		Backoff:  queue.Backoff{First: 5 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
		Final:    rejected,
		Snooze:   10 * time.Second,
	}, edits)
}

// paymentPolicy is a kind that keeps the books of what people pay: soon, and for as long as the vendor may be away.
func paymentPolicy(args queue.Args, edits ...func(*queue.Policy)) queue.Policy {
	return applyEdits(queue.Policy{
		Args:     args,
		Queue:    "payment",
		Attempts: 60,
		Timeout:  90 * time.Second,
		Backoff:  queue.Backoff{First: 2 * time.Second, Max: 30 * time.Minute, Factor: 2, Jitter: 0.2},
		Final:    []string{},
		Snooze:   time.Second,
	}, edits)
}

// erasurePolicy is a kind that deletes what a person asked to have deleted: before everything that is only old.
func erasurePolicy(args queue.Args, edits ...func(*queue.Policy)) queue.Policy {
	return applyEdits(queue.Policy{
		Args:     args,
		Queue:    "erasure",
		Attempts: 50,
		Timeout:  2 * time.Minute,
		Backoff:  queue.Backoff{First: 10 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
		Final:    []string{},
		Snooze:   2 * time.Second,
	}, edits)
}

// retentionPolicy is a kind that a schedule stages and no user waits for. The next tick stages the next.
func retentionPolicy(args queue.Args, edits ...func(*queue.Policy)) queue.Policy {
	return applyEdits(queue.Policy{
		Args:     args,
		Queue:    "retention",
		Attempts: 20,
		Timeout:  5 * time.Minute,
		Backoff:  queue.Backoff{First: 10 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
		Final:    []string{},
		Snooze:   time.Minute,
	}, edits)
}

func applyEdits(p queue.Policy, edits []func(*queue.Policy)) queue.Policy {
	for _, edit := range edits {
		edit(&p)
	}

	return p
}
