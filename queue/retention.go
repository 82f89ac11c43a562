package queue

// PurgeIdempotency forgets idempotency records whose time is over. A schedule stages it.
type PurgeIdempotency struct{}

// Kind implements [Args].
func (PurgeIdempotency) Kind() string { return "retention.purge_idempotency" }

// PurgeTombstones forgets that generations were ever there, long after they were deleted. A
// schedule stages it.
type PurgeTombstones struct{}

// Kind implements [Args].
func (PurgeTombstones) Kind() string { return "retention.purge_tombstones" }
