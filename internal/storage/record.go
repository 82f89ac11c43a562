package storage

import "github.com/google/uuid"

// Need says whether a row wants its object to be there.
type Need int

// The needs. Where two rows name one key, the larger counts.
const (
	Unwanted Need = iota // nothing may be there: what is, was left behind
	Possible             // something may be there: it is being put or deleted at the moment
	Required             // something must be there: its user has been told that it is
)

// Record is what a table says of one object.
type Record struct {
	Key  string
	ID   uuid.UUID // of the row
	Need Need
	Lost bool // the object was not there when it was last looked for, and the row says so
}
