package generation

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/generation/db"
)

// assemble turns rows of one user into generations: parameters, images with links, place in the
// queue, estimates.
func (s *Service) assemble(ctx context.Context, tasks []db.AiTask) ([]Generation, error) {
	out := make([]Generation, len(tasks))
	at := make(map[uuid.UUID]*Generation, len(tasks))
	ids := make([]uuid.UUID, len(tasks))

	for i, t := range tasks {
		g, err := generationOf(t)
		if err != nil {
			return nil, err
		}

		out[i] = g
		at[t.ID], ids[i] = &out[i], t.ID
	}

	if err := s.foretell(ctx, tasks, at); err != nil {
		return nil, err
	}

	if err := s.price(ctx, tasks, at, ids); err != nil {
		return nil, err
	}

	rows, err := s.db.ImageList(ctx, s.Pool, ids)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}

	for _, r := range rows {
		img, err := s.image(ctx, r)
		if err != nil {
			return nil, err
		}

		g := at[r.TaskID]
		g.Images = append(g.Images, img)
	}

	return out, nil
}

func (s *Service) image(ctx context.Context, r db.AiImage) (Image, error) {
	img := Image{ID: r.ID, Index: int(r.Index), Status: ImageStatus(r.Status), FailureCode: FailureCode(orEmpty(r.FailureCode))}
	if img.Status == ImageStored && r.LostAt != nil {
		img.Status = ImageLost
	}

	if img.Status != ImageStored {
		return img, nil
	}

	img.Width, img.Height, img.Bytes, img.ContentType = int(*r.Width), int(*r.Height), *r.Bytes, *r.ContentType
	img.ThumbHash = r.Thumbhash

	var err error
	if img.URL, img.ExpiresAt, err = s.Bucket.SignGet(ctx, r.Key); err != nil {
		return Image{}, fmt.Errorf("sign link of image %s: %w", r.ID, err)
	}

	if r.ThumbnailLostAt != nil {
		return img, nil
	}

	if img.ThumbnailURL, _, err = s.Bucket.SignGet(ctx, r.ThumbnailKey); err != nil {
		return Image{}, fmt.Errorf("sign link of thumbnail %s: %w", r.ID, err)
	}

	return img, nil
}

// price fills in what generations cost.
func (s *Service) price(ctx context.Context, tasks []db.AiTask, at map[uuid.UUID]*Generation, ids []uuid.UUID) error {
	costs, err := s.Credits.Costs(ctx, s.Pool, ids)
	if err != nil {
		return err
	}

	for _, t := range tasks {
		prices, err := pricesOf(t)
		if err != nil {
			return err
		}

		g := at[t.ID]
		g.Cost = Cost{Cost: costs[t.ID], Quoted: prices[t.Model] * int64(g.Parameters.NumImages)}
	}

	return nil
}
