package jobs

import (
	"time"

	"imagerun/queue"
)

// Kinds returns the product's table of kinds. A row begins with what kinds like it share, and says where it differs.
// Where the queues find workers is in [Groups].
func Kinds() queue.Kinds {
	return queue.NewKinds(
		awaited(SubmitGeneration{}, func(p *queue.Policy) { p.Final, p.Snooze = rejected, 10*time.Second }),
		awaited(CollectGeneration{}, func(p *queue.Policy) {
			p.Attempts, p.Timeout, p.Backoff.Factor = 30, 90*time.Second, 1.6
			p.Final, p.Snooze = rejected, 10*time.Second
		}),
		awaited(InspectUpload{}),
		awaited(WorkInboxEvent{}, func(p *queue.Policy) {
			p.Attempts, p.Backoff.Max, p.Snooze = 20, 15*time.Minute, 10*time.Second
		}),

		vendorCall(CancelAttempt{}, func(p *queue.Policy) { p.Snooze = 5 * time.Second }),
		vendorCall(EraseAttempt{}),

		erasure(EraseGeneration{}, func(p *queue.Policy) { p.Final = rejected }),
		erasure(EraseUpload{}),

		retention(PurgeOften{}),
		retention(PurgeHourly{}),
		retention(PurgeDaily{}),
		retention(PurgeGenerations{}),
		retention(PurgeUploads{}),
		retention(SweepObjects{}),
		retention(ExpireCredits{}),
		retention(AuditCredits{}, func(p *queue.Policy) {
			p.Attempts, p.Timeout = 5, time.Hour
			p.Backoff.First, p.Backoff.Max = time.Minute, time.Hour
		}),
		retention(CompareBills{}, func(p *queue.Policy) { p.Queue = "vendor" }),

		// Of the release before, whose schedulers stage them until they have ended: the next release drops them.
		retention(PurgeIdempotency{}),
		retention(PurgeAuth{}),
		retention(PurgeTombstones{}),
		retention(PurgeJobAudit{}),
	)
}

// rejected is the code of what a provider will refuse again.
var rejected = []string{"provider_rejected"}

// awaited is a kind that a person waits for: soon again, and not for long.
func awaited(args queue.Args, edits ...func(*queue.Policy)) queue.Policy {
	return edited(queue.Policy{
		Args:     args,
		Queue:    "generation",
		Attempts: 10,
		Timeout:  60 * time.Second,
		Backoff:  queue.Backoff{First: 2 * time.Second, Max: time.Minute, Factor: 2, Jitter: 0.2},
		Final:    []string{},
		Snooze:   time.Second,
	}, edits)
}

// vendorCall is a kind that tidies up at a vendor, who may be away for hours.
func vendorCall(args queue.Args, edits ...func(*queue.Policy)) queue.Policy {
	return edited(queue.Policy{
		Args:     args,
		Queue:    "vendor",
		Attempts: 50,
		Timeout:  60 * time.Second,
		Backoff:  queue.Backoff{First: 5 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
		Final:    rejected,
		Snooze:   10 * time.Second,
	}, edits)
}

// erasure is a kind that deletes what a person asked to have deleted: before everything that is only old.
func erasure(args queue.Args, edits ...func(*queue.Policy)) queue.Policy {
	return edited(queue.Policy{
		Args:     args,
		Queue:    "erasure",
		Attempts: 50,
		Timeout:  2 * time.Minute,
		Backoff:  queue.Backoff{First: 10 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
		Final:    []string{},
		Snooze:   2 * time.Second,
	}, edits)
}

// retention is a kind that a schedule stages and nobody waits for. The next tick stages the next.
func retention(args queue.Args, edits ...func(*queue.Policy)) queue.Policy {
	return edited(queue.Policy{
		Args:     args,
		Queue:    "retention",
		Attempts: 20,
		Timeout:  5 * time.Minute,
		Backoff:  queue.Backoff{First: 10 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
		Final:    []string{},
		Snooze:   time.Minute,
	}, edits)
}

func edited(p queue.Policy, edits []func(*queue.Policy)) queue.Policy {
	for _, edit := range edits {
		edit(&p)
	}

	return p
}
