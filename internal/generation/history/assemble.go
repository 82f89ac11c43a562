package history

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/postgres"
)

// assembleAll turns rows of one user into generations: parameters, images with links, place in the
// queue, estimates.
func (s *History) assembleAll(ctx context.Context, tasks []db.AiTask) ([]generation.Generation, error) {
	out := make([]generation.Generation, len(tasks))
	at := make(map[uuid.UUID]*generation.Generation, len(tasks))
	ids := make([]uuid.UUID, len(tasks))

	for i, t := range tasks {
		g, err := task.GenerationOf(t)
		if err != nil {
			return nil, err
		}

		out[i] = g
		at[t.ID], ids[i] = &out[i], t.ID
	}

	if err := s.Admission.Forecast(ctx, tasks, at); err != nil {
		return nil, err
	}

	if err := s.fillCosts(ctx, tasks, at, ids); err != nil {
		return nil, err
	}

	rows, err := s.db.ImageList(ctx, s.Pool, ids)
	if err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}

	for _, r := range rows {
		img, err := s.imageOf(ctx, r)
		if err != nil {
			return nil, err
		}

		g := at[r.TaskID]
		g.Images = append(g.Images, img)
	}

	return out, nil
}

func (s *History) imageOf(ctx context.Context, r db.AiImage) (generation.Image, error) {
	img := generation.Image{ID: r.ID, Index: int(r.Index), Status: generation.ImageStatus(r.Status), FailureCode: generation.FailureCode(postgres.TextOrEmpty(r.FailureCode))}
	if img.Status == generation.ImageStored && r.LostAt != nil {
		img.Status = generation.ImageLost
	}

	if img.Status != generation.ImageStored {
		return img, nil
	}

	img.Width, img.Height, img.Bytes, img.ContentType = int(*r.Width), int(*r.Height), *r.Bytes, *r.ContentType
	img.ThumbHash = r.Thumbhash

	var err error
	if img.URL, img.ExpiresAt, err = s.Bucket.SignGet(ctx, r.Key); err != nil {
		return generation.Image{}, fmt.Errorf("sign link of image %s: %w", r.ID, err)
	}

	if r.ThumbnailLostAt != nil {
		return img, nil
	}

	if img.ThumbnailURL, _, err = s.Bucket.SignGet(ctx, r.ThumbnailKey); err != nil {
		return generation.Image{}, fmt.Errorf("sign link of thumbnail %s: %w", r.ID, err)
	}

	return img, nil
}

// fillCosts fills in what generations cost.
func (s *History) fillCosts(ctx context.Context, tasks []db.AiTask, at map[uuid.UUID]*generation.Generation, ids []uuid.UUID) error {
	costs, err := s.Credits.Costs(ctx, s.Pool, ids)
	if err != nil {
		return err
	}

	for _, t := range tasks {
		prices, err := task.PricesOf(t)
		if err != nil {
			return err
		}

		g := at[t.ID]
		g.Cost = generation.Cost{Cost: costs[t.ID], Quoted: prices[t.Model] * int64(g.Parameters.NumImages)}
	}

	return nil
}
