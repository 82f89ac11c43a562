package jobs

// ExpireCredits books the expiry of credits whose time is up. No user waits for it: what is expired
// cannot be spent, booked or not.
type ExpireCredits struct{}

// Kind implements [queue.Args].
func (ExpireCredits) Kind() string { return "credits.expire" }

// AuditCredits verifies every invariant of the ledger and notes what it found.
type AuditCredits struct{}

// Kind implements [queue.Args].
func (AuditCredits) Kind() string { return "credits.audit" }
