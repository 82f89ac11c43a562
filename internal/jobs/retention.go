package jobs

// PurgeOften deletes, of the classes of data that are purged every ten minutes, what is over. A schedule stages it, as it does
// the two below.
type PurgeOften struct{}

// Kind implements [queue.Args].
func (PurgeOften) Kind() string { return "retention.purge_often" }

// PurgeHourly does so for the classes that are purged each hour.
type PurgeHourly struct{}

// Kind implements [queue.Args].
func (PurgeHourly) Kind() string { return "retention.purge_hourly" }

// PurgeDaily does so for the classes that are purged each night.
type PurgeDaily struct{}

// Kind implements [queue.Args].
func (PurgeDaily) Kind() string { return "retention.purge_daily" }

// PurgeIdempotency is what schedules of the release before stage for idempotency records: [PurgeOften] now.
type PurgeIdempotency struct{}

// Kind implements [queue.Args].
func (PurgeIdempotency) Kind() string { return "retention.purge_idempotency" }

// PurgeTombstones is what schedules of the release before stage for what outlives generations: [PurgeHourly] now.
type PurgeTombstones struct{}

// Kind implements [queue.Args].
func (PurgeTombstones) Kind() string { return "retention.purge_tombstones" }

// PurgeJobAudit is what schedules of the release before stage for the record of what operators did: [PurgeDaily] now.
type PurgeJobAudit struct{}

// Kind implements [queue.Args].
func (PurgeJobAudit) Kind() string { return "retention.purge_job_audit" }

// SweepObjects compares the bucket with the rows that own its objects: what nothing wants goes,
// what is gone is reported. A schedule stages it.
type SweepObjects struct{}

// Kind implements [queue.Args].
func (SweepObjects) Kind() string { return "retention.sweep_objects" }
