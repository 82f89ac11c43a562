package upload

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/clock"
	"imagerun/internal/upload/db"
)

// Place is where an upload stands in a list, or stood. The zero value is before the newest.
type Place struct {
	CreatedAt time.Time
	ID        uuid.UUID
}

// Page is one page of a list, newest first.
type Page struct {
	Uploads []Upload
	HasMore bool
}

// List returns the page of the user's uploads that follows a place.
func (s *Service) List(ctx context.Context, userID uuid.UUID, after Place, limit int) (Page, error) {
	if after == (Place{}) {
		after = Place{CreatedAt: clock.Latest(), ID: uuid.Max}
	}

	rows, err := s.db.UploadList(ctx, s.Pool, db.UploadListParams{
		UserID: userID, Before: after.CreatedAt, BeforeID: after.ID, Most: int32(limit) + 1, //nolint:gosec // a page
	})
	if err != nil {
		return Page{}, fmt.Errorf("list uploads: %w", err)
	}

	page := Page{HasMore: len(rows) > limit}
	for _, r := range rows[:min(limit, len(rows))] {
		page.Uploads = append(page.Uploads, s.buildUpload(db.UploadGetRow(r)))
	}

	return page, nil
}
