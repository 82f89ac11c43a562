package generation

import "time"

// Deletion is what became of one of many to delete.
type Deletion string

// The ways that a deletion ends.
const (
	DeletionDone     Deletion = "deleted"
	DeletionAlready  Deletion = "already_deleted"
	DeletionNotFound Deletion = "not_found" // there is no such generation of the user's
)

// TombstoneLifetime is how long the owner of a deleted generation gets 410 rather than 404.
const TombstoneLifetime = 30 * 24 * time.Hour
