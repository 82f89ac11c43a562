package httpapi

import (
	"context"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/publicid"
	"imagerun/internal/upload"
)

// shortWait is how long completing an upload waits for its inspection unless it is told otherwise:
// most take less.
const shortWait = 2 * time.Second

// Uploads is the domain behind /v1/uploads. Every method looks only at what userID owns: another's
// id answers upload.ErrNotFound.
type Uploads interface {
	// Create makes room for a file and says how to send it.
	Create(ctx context.Context, userID uuid.UUID, p upload.Promise) (upload.Upload, upload.Ticket, error)
	// Get returns one.
	Get(ctx context.Context, userID, id uuid.UUID) (upload.Upload, error)
	// List returns one page, newest first.
	List(ctx context.Context, userID uuid.UUID, after upload.Place, limit int) (upload.Page, error)
	// Complete begins the inspection of a file that has arrived. Doing it again changes nothing.
	Complete(ctx context.Context, userID, id uuid.UUID) (upload.Upload, error)
	// Delete removes one.
	Delete(ctx context.Context, userID, id uuid.UUID) error
}

// CreateUpload implements the contract's operation.
func (s *server) CreateUpload(ctx context.Context, r CreateUploadRequestObject) (CreateUploadResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	promise := upload.Promise{ContentType: string(r.Body.ContentType), Bytes: r.Body.Bytes}

	if r.Body.Sha256 != nil {
		if promise.SHA256, err = hex.DecodeString(*r.Body.Sha256); err != nil {
			return nil, fmt.Errorf("decode what the contract has checked: %w", err)
		}
	}

	u, ticket, err := s.Uploads.Create(ctx, p.UserID, promise)
	if err != nil {
		return nil, err
	}

	return CreateUpload201JSONResponse{
		Body: NewUpload{
			Upload: renderUpload(u), URL: ticket.URL, Method: PUT, ExpiresAt: clampTime(ticket.ExpiresAt),
			Headers: map[string]string{"Content-Type": promise.ContentType},
			Limits: UploadLimits{
				MaxBytes: ticket.Limits.MaxBytes, MaxPixels: ticket.Limits.MaxPixels, MaxSide: ticket.Limits.MaxSide,
			},
		},
		Headers: CreateUpload201ResponseHeaders{Location: new(uploadLocation(u.ID))},
	}, nil
}

// GetUpload implements the contract's operation.
func (s *server) GetUpload(ctx context.Context, r GetUploadRequestObject) (GetUploadResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixUpload, r.ID)
	if err != nil {
		return nil, err
	}

	u, err := s.Uploads.Get(ctx, userID, id)
	if err != nil {
		return nil, err
	}

	return GetUpload200JSONResponse(renderUpload(u)), nil
}

// ListUploads implements the contract's operation.
func (s *server) ListUploads(ctx context.Context, r ListUploadsRequestObject) (ListUploadsResponseObject, error) {
	p, err := auth.From(ctx)
	if err != nil {
		return nil, err
	}

	limit := 20
	if r.Params.Limit != nil {
		limit = *r.Params.Limit
	}

	after, err := parsePlace("starting_after", r.Params.StartingAfter)
	if err != nil {
		return nil, err
	}

	var from upload.Place
	if after != nil {
		from = upload.Place(*after)
	}

	page, err := s.Uploads.List(ctx, p.UserID, from, limit)
	if err != nil {
		return nil, err
	}

	out := ListUploads200JSONResponse{
		Object: UploadListObjectList, URL: "/v1/uploads", HasMore: page.HasMore, Data: make([]Upload, len(page.Uploads)),
	}
	for i, u := range page.Uploads {
		out.Data[i] = renderUpload(u)
	}

	if n := len(page.Uploads); page.HasMore && n > 0 {
		out.NextCursor = new(formatPlace(page.Uploads[n-1].CreatedAt, page.Uploads[n-1].ID))
	}

	return out, nil
}

// DeleteUpload implements the contract's operation.
func (s *server) DeleteUpload(ctx context.Context, r DeleteUploadRequestObject) (DeleteUploadResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixUpload, r.ID)
	if err != nil {
		return nil, err
	}

	if err := s.Uploads.Delete(ctx, userID, id); err != nil {
		return nil, err
	}

	return DeleteUpload204Response{}, nil
}

// CompleteUpload implements the contract's operation.
func (s *server) CompleteUpload(ctx context.Context, r CompleteUploadRequestObject) (CompleteUploadResponseObject, error) {
	userID, id, err := parseOwnedID(ctx, publicid.PrefixUpload, r.ID)
	if err != nil {
		return nil, err
	}

	u, err := s.Uploads.Complete(ctx, userID, id)
	if err != nil {
		return nil, err
	}

	u, preference, err := s.awaitUpload(ctx, userID, u, r.Params.Prefer)
	if err != nil {
		return nil, err
	}

	if u.Status.Ended() {
		return CompleteUpload200JSONResponse{
			Body: renderUpload(u), Headers: CompleteUpload200ResponseHeaders{PreferenceApplied: preference},
		}, nil
	}

	return CompleteUpload202JSONResponse{
		Body: renderUpload(u), Headers: CompleteUpload202ResponseHeaders{Location: new(uploadLocation(u.ID)), PreferenceApplied: preference},
	}, nil
}

// awaitUpload holds u back until it was inspected or the caller's patience ends, as awaitGeneration does.
func (s *server) awaitUpload(ctx context.Context, userID uuid.UUID, u upload.Upload, prefer *string) (upload.Upload, *string, error) {
	limit, preference := shortWait, (*string)(nil)

	if prefer != nil {
		if said, ok := preferredWait(*prefer); ok {
			limit, preference = said, formatAppliedWait(said)
		} else if prefersAsync(*prefer) {
			return u, new("respond-async"), nil
		}
	}

	if u.Status.Ended() {
		return u, preference, nil
	}

	release, ok := s.openSlots.acquireSlot(userID)
	if !ok {
		return u, nil, nil
	}
	defer release()

	err := s.pollUntil(ctx, u.ID, limit, func(ctx context.Context) (bool, error) {
		next, err := s.Uploads.Get(ctx, userID, u.ID)
		if err == nil {
			u = next
		}

		return u.Status.Ended(), err
	})

	return u, preference, err
}

func renderUpload(u upload.Upload) Upload {
	out := Upload{
		ID:          publicid.Format(publicid.PrefixUpload, u.ID),
		Object:      UploadObjectUpload,
		Status:      UploadStatus(u.Status),
		ContentType: UploadType(u.ContentType),
		Bytes:       u.Bytes,
		CreatedAt:   clampTime(u.CreatedAt),
		SupportCode: publicid.SupportCode(u.ID),
	}

	if u.Width > 0 {
		out.Width, out.Height = &u.Width, &u.Height
	}

	if u.SourceType != "" {
		out.SourceType = &u.SourceType
	}

	if u.Reason != "" {
		out.Rejection = &Rejection{Code: RejectionCode(u.Reason), Message: u.Reason.Text()}
	}

	if !u.ExpiresAt.IsZero() {
		out.ExpiresAt = new(clampTime(u.ExpiresAt))
	}

	return out
}

func uploadLocation(id uuid.UUID) string {
	return "/v1/uploads/" + publicid.Format(publicid.PrefixUpload, id)
}
