package queue

// PurgeAuth deletes what is over of the auth service: accounts that nobody verified, expired sessions and links. A
// schedule stages it.
type PurgeAuth struct{}

// Kind implements [Args].
func (PurgeAuth) Kind() string { return "auth.purge" }
