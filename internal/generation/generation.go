package generation

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/credits"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/idempotency"
	"imagerun/internal/redact"
)

// Status is where a generation is in its life; doc.go has the diagram.
type Status string

// The statuses. The last six are terminal and never change again.
const (
	StatusQueued     Status = "queued"
	StatusSubmitting Status = "submitting"
	StatusRunning    Status = "running"
	StatusStoring    Status = "storing"
	StatusSucceeded  Status = "succeeded" // every image stored
	StatusPartial    Status = "partial"   // some images stored
	StatusFailed     Status = "failed"    // none, and FailureCode says why
	StatusBlocked    Status = "blocked"   // none, because of the safety checker
	StatusCanceled   Status = "canceled"
	StatusExpired    Status = "expired" // not finished by its deadline
)

// Statuses lists every status in the order of a generation's life.
func Statuses() []Status {
	return []Status{
		StatusQueued, StatusSubmitting, StatusRunning, StatusStoring, StatusSucceeded,
		StatusPartial, StatusFailed, StatusBlocked, StatusCanceled, StatusExpired,
	}
}

// Terminal reports whether the status is final.
func (s Status) Terminal() bool {
	switch s {
	case StatusQueued, StatusSubmitting, StatusRunning, StatusStoring:
		return false
	default:
		return true
	}
}

// ImageStatus is where one image is.
type ImageStatus string

// The image statuses.
const (
	ImagePending ImageStatus = "pending"
	ImageStored  ImageStatus = "stored"
	ImageBlocked ImageStatus = "blocked" // the safety checker blacked it out; nothing is kept
	ImageFailed  ImageStatus = "failed"  // the provider did not deliver it, or not as an image
	ImageLost    ImageStatus = "lost"    // it was stored, and a sweep found it gone; only ever shown, the row stays stored
)

// Generation is one request for images and what became of it.
type Generation struct {
	ID             uuid.UUID
	UserID         uuid.UUID
	Status         Status
	StatusSequence int64 // rises with every change
	Model          string
	Prompt         redact.Personal
	NegativePrompt redact.Personal
	Parameters     catalogue.Parameters
	Metadata       json.RawMessage // the caller's own small map; personal
	FailureCode    FailureCode     // empty unless failed, blocked, canceled or expired
	SupportCode    string
	CreatedAt      time.Time
	DeadlineAt     time.Time  // past it, the generation ends as expired
	AdmittedAt     *time.Time // when it got its turn; nil while it waits
	FinishedAt     *time.Time
	QueuePosition  *int       // generations to be admitted before this one; nil when not waiting
	ReferenceID    *uuid.UUID // the upload it starts from; nil: none
	ServedModel    string     // who made the images; empty until they come
	Progress       *float64   // 0–1, as the provider says while it runs; nil: it says nothing
	Images         []Image
	Cost           Cost

	// CancelRequested: its user or an operator canceled it when its provider may have begun. What that does then decides how it ends.
	CancelRequested bool

	Background bool // it waits behind all that its user has waiting
	Favourite  bool
	RemixOf    *uuid.UUID // the generation that it took its request from; it may be gone

	Delay *Delay // what it waits for that is not its turn; nil: nothing

	ProviderPosition  *int       // requests that the provider has before it; nil: none, or it did not say
	EstimatedStartAt  *time.Time // when it should get its turn; nil: it had it, or nothing is known
	EstimatedFinishAt *time.Time // when it should end; nil: it has, it takes longer, or nothing is known
}

// Canceling reports whether it has been asked to stop and its provider has not yet said what becomes of it.
func (g Generation) Canceling() bool { return g.CancelRequested && !g.Status.Terminal() }

// Notice says, for people, what status and failure do not; empty: there is nothing to say.
func (g Generation) Notice() string {
	switch {
	case g.Canceling():
		return "The image service was asked to stop. If it finishes all the same, the pictures are kept and paid for; else nothing is charged."
	case g.CancelRequested && (g.Status == StatusSucceeded || g.Status == StatusPartial):
		return "It was finished before it could be stopped. " + g.Cost.Sentence()
	case g.Status == StatusPartial:
		return fmt.Sprintf("%d of %d pictures came. ", g.countStored(), len(g.Images)) + g.Cost.Sentence()
	default:
		return ""
	}
}

// countStored is how many of its images came, whatever became of them since.
func (g Generation) countStored() (n int) {
	for _, img := range g.Images {
		if img.Status == ImageStored || img.Status == ImageLost {
			n++
		}
	}

	return n
}

// Cost is what a generation costs, in credits. The zero value is that of one which is free.
type Cost struct {
	credits.Cost

	Quoted int64 // all of its images, by the model that was asked for
}

// Image is one image of a generation. Links are set only when it is stored.
type Image struct {
	ID           uuid.UUID
	Index        int
	Status       ImageStatus
	FailureCode  FailureCode // why there is none; empty unless blocked or failed, and where a release before did not say
	Width        int         // pixels; zero until stored
	Height       int
	ContentType  string
	Bytes        int64
	URL          string // short-lived bearer link: never logged
	ThumbnailURL string
	ThumbHash    []byte    // placeholder of the thumbnail; none: stored before there were any
	ExpiresAt    time.Time // when the links end
}

// FailureCode says why there is no image. The list is closed; each has a sentence for people.
type FailureCode string

// The failure codes.
const (
	FailurePromptRejected FailureCode = "prompt_rejected"      // the provider refuses the prompt
	FailureInvalidRequest FailureCode = "invalid_request"      // the provider refuses the parameters
	FailureReference      FailureCode = "reference_rejected"   // the provider cannot use the reference
	FailureOutputBlocked  FailureCode = "output_blocked"       // the safety checker blocked every image
	FailureProviderError  FailureCode = "provider_error"       // the provider failed, repeatedly
	FailureTimeout        FailureCode = "generation_timeout"   // the provider took too long
	FailureNoImage        FailureCode = "no_image"             // it finished without a usable image
	FailureResultExpired  FailureCode = "result_expired"       // it finished, but the result was gone
	FailureStorage        FailureCode = "storage_error"        // it finished, but the result could not be kept
	FailureDeadline       FailureCode = "deadline_exceeded"    // expired
	FailureUnavailable    FailureCode = "provider_unavailable" // expired, while the provider refused our account
	FailureProviderLost   FailureCode = "provider_lost"        // the provider forgot the request, or never got it
	FailureCanceledByUser FailureCode = "canceled_by_user"     // canceled
	FailureByOperator     FailureCode = "canceled_by_operator"
)

// Event is one change of a generation.
type Event struct {
	Sequence   int64
	Status     Status
	Canceling  bool // it had been asked to stop, and had not ended
	ImageIndex *int // the image that was stored, if that was the change
	At         time.Time
}

// Change is one event among all of a user's, in their one order.
type Change struct {
	Number       int64 // rises by each event of the user's
	GenerationID uuid.UUID
	Deleted      bool // then nothing but At is known of it
	Other        bool // it is of a generation that was not asked for: nothing but Number is said of it
	Event

	Generation *Generation // as it is now, beside the newest of its changes; else nil
}

// Overview is what a user has under way, as of one instant.
type Overview struct {
	Number      int64        // of the user's last event
	Generations []Generation // those that have not ended, newest first
	HasMore     bool         // there are older ones
}

// Submission is a request for images as it came in, before the catalogue has judged it.
type Submission struct {
	catalogue.Request

	UserID          uuid.UUID
	DeadlineSeconds *int       // nil: the usual one
	Background      bool       // it gets a turn when nothing else of the user's waits
	RemixOf         *uuid.UUID // set by [intake.Intake.Remix]
	Quote           string     // of an [Estimate] of the same request; empty: today's prices

	IdempotencyKey string // empty: none
	Fingerprint    []byte // SHA-256 of the request's meaning; with a key
}

// Accepted is what became of a submission.
type Accepted struct {
	Generation

	Balance credits.Balance     // of the user, after it
	Replay  *idempotency.Record // of the earlier request that this one repeats; nil: it is the first
}

// Filter narrows a list. The zero value lists everything, newest first, 20 at a time.
type Filter struct {
	Statuses      []Status
	Model         string
	Favourite     bool              // only those
	RemixOf       *uuid.UUID        // only what was made from it
	Metadata      map[string]string // only those that have all of these
	CreatedAfter  *time.Time
	CreatedBefore *time.Time
	Limit         int    // 1–100
	StartingAfter *Place // the page that follows it
	EndingBefore  *Place // the page that precedes it
}

// Place is where a generation stands in a list, or stood: it is there whatever becomes of the generation.
type Place struct {
	CreatedAt time.Time // zero: that of the generation of this id, which must be there
	ID        uuid.UUID
}

// Page is one page of a list, newest first.
type Page struct {
	Generations []Generation
	HasMore     bool
}

// Outcome is what became of one submission among many.
type Outcome struct {
	Accepted

	Err error // why it was refused; nil: it was accepted, now or before
}
