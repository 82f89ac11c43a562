package generation

import (
	"time"

	"github.com/google/uuid"
)

// Inspection is what operators see of a generation: ids, times, states and codes, and nothing that a user wrote.
type Inspection struct {
	ID           uuid.UUID  `json:"id"`
	UserID       uuid.UUID  `json:"user_id"`
	Plan         string     `json:"plan"`
	SupportCode  string     `json:"support_code"`
	Provider     string     `json:"provider"`
	Model        string     `json:"model"`
	ServedModel  *string    `json:"served_model"` // nil: the model itself, or none yet
	Status       string     `json:"status"`
	Canceling    bool       `json:"canceling"` // it was asked to stop, and its provider decides
	FailureCode  *string    `json:"failure_code"`
	CreatedAt    time.Time  `json:"created_at"`
	AdmittedAt   *time.Time `json:"admitted_at"`
	DeadlineAt   time.Time  `json:"deadline_at"`
	FinishedAt   *time.Time `json:"finished_at"`
	DeletedAt    *time.Time `json:"deleted_at"` // its owner does not see it any more
	RemixOf      *uuid.UUID `json:"remix_of"`
	FromUploadID *uuid.UUID `json:"from_upload_id"`

	Events   []InspectedEvent   `json:"events"`
	Attempts []InspectedAttempt `json:"attempts"`
	Images   []InspectedImage   `json:"images"`
}

// InspectedEvent is a change that the owner saw.
type InspectedEvent struct {
	Status     string    `json:"status"`
	ImageIndex *int16    `json:"image_index"` // nil: about the whole
	At         time.Time `json:"at"`
}

// InspectedAttempt is a call of the provider.
type InspectedAttempt struct {
	ID         uuid.UUID  `json:"id"`
	Number     int16      `json:"number"`
	State      string     `json:"state"`
	Model      *string    `json:"model"`
	Endpoint   string     `json:"endpoint"`
	RequestID  *string    `json:"request_id"` // the provider's; nil: it never told
	ErrorCode  *string    `json:"error_code"`
	CreatedAt  time.Time  `json:"created_at"`
	SentAt     *time.Time `json:"sent_at"`
	CallbackAt *time.Time `json:"callback_at"`
	FinishedAt *time.Time `json:"finished_at"`
	ErasedAt   *time.Time `json:"erased_at"` // when the provider's copy was deleted

	UnitsTold   *string `json:"units_told"`    // a decimal; nil: the provider told none with the result
	UnitsBilled *string `json:"units_billed"`  // a decimal; nil: no bill was found
	CostNanoUSD *int64  `json:"cost_nano_usd"` // what it billed; nil: no bill was found
}

// InspectedImage is an image, and where its objects are.
type InspectedImage struct {
	ID           uuid.UUID  `json:"id"`
	Index        int16      `json:"index"`
	Status       string     `json:"status"`
	Key          string     `json:"key"`
	ThumbnailKey string     `json:"thumbnail_key"`
	ContentType  *string    `json:"content_type"`
	Width        *int32     `json:"width"`
	Height       *int32     `json:"height"`
	Bytes        *int64     `json:"bytes"`
	StoredAt     *time.Time `json:"stored_at"`
	LostAt       *time.Time `json:"lost_at"` // when a sweep missed the object
}

// AttemptIDs returns the ids of the attempts, which jobs about a generation name.
func (i Inspection) AttemptIDs() []uuid.UUID {
	ids := make([]uuid.UUID, len(i.Attempts))
	for n, a := range i.Attempts {
		ids[n] = a.ID
	}

	return ids
}
