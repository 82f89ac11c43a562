package upload

import (
	"time"

	"github.com/google/uuid"

	"imagerun/internal/fault"
)

// The faults of this package. Those about one upload also say why it cannot be referred to.
var (
	ErrInvalid     = fault.New(fault.Invalid, "validation_failed", "The request is not valid. See errors for what to change; nothing was started.")
	ErrTooMany     = fault.New(fault.RateLimited, "too_many_uploads", "Too many of your uploads wait to be used. Use or delete some, or wait until they expire.").WithRetryAfter(time.Minute)
	ErrQuota       = fault.New(fault.Forbidden, "upload_quota_exceeded", "Your uploads take all the space that your plan gives them. Delete those that you no longer need; what was made from them stays, and the space of new ones is free an hour after their links end.")
	ErrNotFound    = fault.New(fault.NotFound, "upload_not_found", "You have no such upload. It may have expired; upload the picture again.")
	ErrExpired     = fault.New(fault.Gone, "upload_expired", "The file did not arrive in time. Make a new upload.")
	ErrLost        = fault.New(fault.Gone, "upload_lost", "Our store no longer has this picture, and we are sorry. Upload it again.")
	ErrNotReceived = fault.New(fault.Conflict, "upload_not_received", "No file has arrived. Put it to the upload's url first, then complete.")
	ErrMismatch    = fault.New(fault.Conflict, "upload_mismatch", "The file that arrived is not the one that was announced. See errors; put the right one, then complete again.")
	ErrNotReady    = fault.New(fault.Conflict, "upload_not_ready", "The upload is not ready. Complete it and wait until its status is ready.")
	ErrRejected    = fault.New(fault.Invalid, "upload_rejected", "The upload was rejected. Get it to see why, and upload another picture.")
)

// Status is where an upload stands.
type Status string

// The statuses. Expired is pending after its time.
const (
	StatusPending    Status = "pending"
	StatusInspecting Status = "inspecting"
	StatusReady      Status = "ready"
	StatusRejected   Status = "rejected"
	StatusExpired    Status = "expired"
)

// Ended reports whether the status will not change any more.
func (s Status) Ended() bool { return s != StatusPending && s != StatusInspecting }

// Upload is one, as its owner sees it.
type Upload struct {
	ID          uuid.UUID
	Status      Status
	ContentType string // as promised; of the picture once it is ready
	Bytes       int64  // likewise
	Width       int    // pixels, upright; zero until it is ready
	Height      int
	Reason      Reason // why it was rejected; empty otherwise
	SourceType  string // what the file said of a model's part in it; empty: nothing
	CreatedAt   time.Time
	// ExpiresAt is when it goes by itself unless something happens: a pending one is completed, one
	// that is ready is used. Zero: it does not.
	ExpiresAt time.Time
}

// Reason is why a file was rejected.
type Reason string

// The reasons.
const (
	ReasonNotPicture Reason = "not_a_picture"
	ReasonType       Reason = "type_mismatch"
	ReasonDamaged    Reason = "damaged"
	ReasonKind       Reason = "unsupported"
	ReasonTooBig     Reason = "too_large"
	ReasonAnimated   Reason = "animated"
	ReasonChecksum   Reason = "checksum_mismatch"
	ReasonMissing    Reason = "not_received"
	ReasonFailed     Reason = "inspection_failed"
)

// Reasons lists every reason.
func Reasons() []Reason {
	return []Reason{
		ReasonNotPicture, ReasonType, ReasonDamaged, ReasonKind, ReasonTooBig, ReasonAnimated, ReasonChecksum, ReasonMissing, ReasonFailed,
	}
}

// Text says to a person what happened and what to do.
func (r Reason) Text() string {
	switch r {
	case ReasonNotPicture:
		return "The file is not a PNG, JPEG or WebP picture. Convert it to one of these and upload it again."
	case ReasonType:
		return "The file is a picture of another type than announced. Upload it with its real content type."
	case ReasonDamaged:
		return "The picture is damaged or incomplete. Open and save it again, then upload it."
	case ReasonKind:
		return "The picture is of a kind that we cannot read, as HEIC, AVIF and GIF are, or a rare JPEG. Save it as a PNG or a usual JPEG and upload that. " +
			"An iPhone takes JPEGs with Settings, Camera, Formats, Most Compatible."
	case ReasonTooBig:
		return "The picture has too many pixels, or takes too much memory to read. Make it smaller and upload it again."
	case ReasonAnimated:
		return "The picture moves. Save one frame of it as a still picture and upload that."
	case ReasonChecksum:
		return "The file that arrived has another SHA-256 than announced. Upload it again."
	case ReasonMissing:
		return "The file was gone before it could be looked at. Upload it again."
	case ReasonFailed:
		return "The picture could not be looked at, which is our fault. Upload it again."
	default:
		return "The file cannot be used. Upload another one."
	}
}
