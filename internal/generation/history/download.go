package history

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
)

const (
	maxAlbumPictures = 200
	maxAlbumBytes    = 1 << 30
)

// Album collects the stored images of the user's generations, before any of them is read.
// Errors: [generation.ErrAlbumTooLarge], [generation.ErrAlbumEmpty].
func (s *History) Album(ctx context.Context, userID uuid.UUID, ids []uuid.UUID) (generation.Album, error) {
	tasks, err := s.db.TaskMany(ctx, s.Pool, db.TaskManyParams{UserID: userID, Ids: ids})
	if err != nil {
		return generation.Album{}, fmt.Errorf("read generations of user %s: %w", userID, err)
	}

	byID := make(map[uuid.UUID]db.AiTask, len(tasks))
	for _, t := range tasks {
		byID[t.ID] = t
	}

	var a generation.Album

	tasks = tasks[:0]

	for _, id := range ids {
		if t, ok := byID[id]; ok {
			tasks = append(tasks, t)
		} else {
			a.LeftOut = append(a.LeftOut, id)
		}
	}

	if a.Generations, err = s.assembleAll(ctx, tasks); err != nil {
		return generation.Album{}, err
	}

	if err := s.collectPictures(ctx, &a); err != nil {
		return generation.Album{}, err
	}

	return a, nil
}

func (s *History) collectPictures(ctx context.Context, a *generation.Album) error {
	ids := make([]uuid.UUID, len(a.Generations))
	for i, g := range a.Generations {
		ids[i] = g.ID
	}

	rows, err := s.db.ImageList(ctx, s.Pool, ids)
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}

	keys := make(map[uuid.UUID]string, len(rows))
	for _, r := range rows {
		keys[r.ID] = r.Key
	}

	var size int64

	for _, g := range a.Generations {
		for _, img := range g.Images {
			if img.Status == generation.ImageStored {
				a.Pictures = append(a.Pictures, generation.Picture{Image: img, GenerationID: g.ID, Key: keys[img.ID]})
				size += img.Bytes
			}
		}
	}

	switch {
	case len(a.Pictures) == 0:
		return generation.ErrAlbumEmpty
	case len(a.Pictures) > maxAlbumPictures || size > maxAlbumBytes:
		return generation.ErrAlbumTooLarge
	}

	return nil
}

// OpenPicture reads a picture as it comes; the caller closes it.
func (s *History) OpenPicture(ctx context.Context, p generation.Picture) (io.ReadCloser, error) {
	r, err := s.Bucket.Get(ctx, p.Key)

	return r, fault.Wrap(err, "open image "+p.ID.String())
}
