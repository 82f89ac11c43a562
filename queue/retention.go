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

// PurgeJobAudit deletes the record of what operators did to jobs, a year after. A schedule stages it.
type PurgeJobAudit struct{}

// Kind implements [Args].
func (PurgeJobAudit) Kind() string { return "retention.purge_job_audit" }

// SweepObjects compares the bucket with the rows that own its objects: what nothing wants goes,
// what is gone is reported. A schedule stages it.
type SweepObjects struct{}

// Kind implements [Args].
func (SweepObjects) Kind() string { return "retention.sweep_objects" }
