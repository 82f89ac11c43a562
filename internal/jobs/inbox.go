package jobs

import "github.com/google/uuid"

// WorkInboxEvent does what a vendor's webhook asks for. One live job for each event.
type WorkInboxEvent struct {
	EventID uuid.UUID `json:"event_id"`
}

// Kind implements [queue.Args].
func (WorkInboxEvent) Kind() string { return "inbox.work_event" }
