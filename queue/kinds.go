package queue

import "time"

// All returns the product's table of kinds: every field of every row is written out. Where the
// queues find workers is in [Groups].
func All() Kinds {
	return NewKinds(
		Policy{
			Args:     SubmitGeneration{},
			Queue:    "generation",
			Attempts: 10,
			Timeout:  60 * time.Second,
			Backoff:  Backoff{First: 2 * time.Second, Max: time.Minute, Factor: 2, Jitter: 0.2},
			Final:    []string{"provider_rejected"},
			Snooze:   10 * time.Second,
		},
		Policy{
			Args:     CollectGeneration{},
			Queue:    "generation",
			Attempts: 30,
			Timeout:  90 * time.Second,
			Backoff:  Backoff{First: 2 * time.Second, Max: time.Minute, Factor: 1.6, Jitter: 0.2},
			Final:    []string{"provider_rejected"},
			Snooze:   10 * time.Second,
		},
		Policy{
			Args:     CancelAttempt{},
			Queue:    "vendor",
			Attempts: 50,
			Timeout:  60 * time.Second,
			Backoff:  Backoff{First: 5 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
			Final:    []string{"provider_rejected"},
			Snooze:   5 * time.Second,
		},
		Policy{
			Args:     EraseAttempt{},
			Queue:    "vendor",
			Attempts: 50,
			Timeout:  60 * time.Second,
			Backoff:  Backoff{First: 5 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
			Final:    []string{"provider_rejected"},
			Snooze:   10 * time.Second,
		},
		Policy{
			Args:     EraseGeneration{},
			Queue:    "erasure",
			Attempts: 50,
			Timeout:  2 * time.Minute,
			Backoff:  Backoff{First: 10 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
			Final:    []string{"provider_rejected"},
			Snooze:   2 * time.Second,
		},
		Policy{
			Args:     PurgeIdempotency{},
			Queue:    "retention",
			Attempts: 20,
			Timeout:  5 * time.Minute,
			Backoff:  Backoff{First: 10 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
			Final:    []string{},
			Snooze:   time.Minute,
		},
		Policy{
			Args:     PurgeTombstones{},
			Queue:    "retention",
			Attempts: 20,
			Timeout:  5 * time.Minute,
			Backoff:  Backoff{First: 10 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
			Final:    []string{},
			Snooze:   time.Minute,
		},
		Policy{
			Args:     PurgeJobAudit{},
			Queue:    "retention",
			Attempts: 20,
			Timeout:  5 * time.Minute,
			Backoff:  Backoff{First: 10 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
			Final:    []string{},
			Snooze:   time.Minute,
		},
		Policy{
			Args:     SweepObjects{},
			Queue:    "retention",
			Attempts: 20,
			Timeout:  5 * time.Minute,
			Backoff:  Backoff{First: 10 * time.Second, Max: 15 * time.Minute, Factor: 2, Jitter: 0.2},
			Final:    []string{},
			Snooze:   time.Minute,
		},
	)
}
