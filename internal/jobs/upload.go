package jobs

import "github.com/google/uuid"

// InspectUpload turns what a user put into a picture of ours, or refuses it. One live job for
// each upload.
type InspectUpload struct {
	UploadID uuid.UUID `json:"upload_id"`
}

// Kind implements [queue.Args].
func (InspectUpload) Kind() string { return "upload.inspect" }

// EraseUpload deletes an upload that may not be used any more: objects first, the row last.
type EraseUpload struct {
	UploadID uuid.UUID `json:"upload_id"`
}

// Kind implements [queue.Args].
func (EraseUpload) Kind() string { return "upload.erase" }

// PurgeUploads finds uploads that were never finished or that no generation uses, and what was
// put again after it was inspected. A schedule stages it.
type PurgeUploads struct{}

// Kind implements [queue.Args].
func (PurgeUploads) Kind() string { return "upload.purge" }
