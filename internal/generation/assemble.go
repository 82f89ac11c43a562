package generation

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"imagerun/internal/generation/catalogue"
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

// generationOf is what the row alone says.
func generationOf(t db.AiTask) (Generation, error) {
	p, err := parametersOf(t)
	if err != nil {
		return Generation{}, err
	}

	return generationWith(t, p), nil
}

// generationWith is generationOf where the parameters are known.
func generationWith(t db.AiTask, p catalogue.Parameters) Generation {
	g := Generation{
		ID: t.ID, UserID: t.UserID, Status: Status(t.Status), StatusSequence: t.StatusSequence,
		Model: t.Model, Prompt: t.Prompt, NegativePrompt: t.NegativePrompt, Parameters: p, Metadata: t.Metadata,
		FailureCode: FailureCode(orEmpty(t.FailureCode)), SupportCode: t.SupportCode,
		CreatedAt: t.CreatedAt, DeadlineAt: t.DeadlineAt, AdmittedAt: t.AdmittedAt, FinishedAt: t.FinishedAt,
		Favourite: t.FavouriteAt != nil, RemixOf: t.RemixOf, ReferenceID: t.ReferenceUploadID, ServedModel: orEmpty(t.ServedModel),
		CancelRequested: t.CancelRequested, Delay: delayOf(t), Background: t.Background,
	}
	g.provided(t)

	return g
}

// provided fills in what the provider said of a generation. How far it was stays true while it is stored, and until another
// attempt is further.
func (g *Generation) provided(t db.AiTask) {
	if g.Status.Terminal() {
		return
	}

	if t.Progress != nil {
		g.Progress = new(float64(*t.Progress))
	} else if g.Status == StatusRunning && t.ProviderPosition != nil { // it has not begun
		g.ProviderPosition = new(int(*t.ProviderPosition))
	}
}

// foretell fills in what is known of the times to come: places in the queue, starts, ends.
func (s *Service) foretell(ctx context.Context, tasks []db.AiTask, at map[uuid.UUID]*Generation) error {
	waiting := make(map[string][]uuid.UUID) // by provider
	live := false

	for _, t := range tasks {
		live = live || t.FinishedAt == nil

		if Status(t.Status) == StatusQueued && t.AdmittedAt == nil {
			waiting[t.Provider] = append(waiting[t.Provider], t.ID)
		}
	}

	if !live {
		return nil
	}

	typical, err := s.took.Typical(ctx)
	if err != nil {
		return err
	}

	if len(waiting) > 0 {
		if err := s.delayWaiting(ctx, tasks, at); err != nil {
			return err
		}
	}

	for provider, ids := range waiting {
		if err := s.place(ctx, provider, tasks[0].UserID, ids, at, typical); err != nil {
			return err
		}
	}

	for _, g := range at {
		took, known := typical.Of(kindOf(g.Model, g.Parameters))
		if known && g.AdmittedAt != nil && g.FinishedAt == nil && g.AdmittedAt.Add(took).After(s.Now()) {
			g.EstimatedFinishAt = new(g.AdmittedAt.Add(took))
		}
	}

	return nil
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
