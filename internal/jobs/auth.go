package jobs

// PurgeAuth is what schedules of the release before stage for what is over of the auth service: [PurgeHourly] now.
type PurgeAuth struct{}

// Kind implements [queue.Args].
func (PurgeAuth) Kind() string { return "auth.purge" }
