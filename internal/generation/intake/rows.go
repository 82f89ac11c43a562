package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/generation/task"
	"imagerun/internal/picture"
	"imagerun/internal/postgres"
	"imagerun/internal/publicid"
)

// insertRows writes the rows of a new generation, later, and returns what they say.
func (s *Intake) insertRows(ctx context.Context, tx pgx.Tx, o order, userRef string, now time.Time) (generation.Generation, error) {
	t, err := s.rowOf(o, now)
	if err != nil {
		return generation.Generation{}, err
	}

	g, later := task.GenerationWith(t, o.parameters), postgres.Later(tx)

	err = s.db.TaskInsert(ctx, later, db.TaskInsertParams{
		ID: t.ID, UserID: t.UserID, Provider: t.Provider, Model: t.Model, CatalogueHash: t.CatalogueHash, Prompt: t.Prompt,
		NegativePrompt: t.NegativePrompt, Parameters: t.Parameters, Metadata: t.Metadata, SupportCode: t.SupportCode,
		CreatedAt: t.CreatedAt, DeadlineAt: t.DeadlineAt, ReferenceUploadID: t.ReferenceUploadID, ReferenceKey: t.ReferenceKey,
		RemixOf: t.RemixOf, Prices: t.Prices, Background: t.Background,
	})
	if err != nil {
		return g, fmt.Errorf("insert generation: %w", err)
	}

	// The rows of the images to come, and with them the keys of their objects.
	images := db.ImagesInsertParams{TaskID: t.ID}

	for i := range o.parameters.NumImages {
		id, base := uuid.New(), fmt.Sprintf("u/%s/%s/%s", userRef, t.ID, uuid.New())
		images.Ids = append(images.Ids, id)
		images.Indexes = append(images.Indexes, int16(i))
		images.Keys = append(images.Keys, base+"."+picture.Format(o.parameters.OutputFormat).Extension())
		images.ThumbnailKeys = append(images.ThumbnailKeys, base+".thumb.jpg")
		g.Images = append(g.Images, generation.Image{ID: id, Index: i, Status: generation.ImagePending})
	}

	if err := s.db.ImagesInsert(ctx, later, images); err != nil {
		return g, fmt.Errorf("insert images: %w", err)
	}

	_, err = s.db.EventInsert(ctx, later, db.EventInsertParams{
		TaskID: t.ID, UserID: t.UserID, Sequence: t.StatusSequence, Status: t.Status, At: now,
	})

	return g, fault.Wrap(err, "insert event of "+t.ID.String())
}

// rowOf is the task of an order.
func (s *Intake) rowOf(o order, now time.Time) (t db.AiTask, err error) {
	t = db.AiTask{
		ID: o.id, UserID: o.UserID, Provider: o.model.Provider, Status: string(generation.StatusQueued), StatusSequence: 1,
		Model: o.model.ID, CatalogueHash: s.Catalogue.Hash, Prompt: o.Prompt, Metadata: o.Metadata, SupportCode: publicid.SupportCode(o.id),
		CreatedAt: now, DeadlineAt: now.Add(o.deadline), ReferenceKey: postgres.TextOrNil(o.referenceKey), RemixOf: o.RemixOf,
		Background: o.Background,
	}

	if t.Parameters, err = json.Marshal(o.parameters); err != nil {
		return t, fmt.Errorf("encode parameters: %w", err)
	}

	if t.Prices, err = json.Marshal(o.prices); err != nil {
		return t, fmt.Errorf("encode prices: %w", err)
	}

	if len(t.Metadata) == 0 {
		t.Metadata = json.RawMessage(`{}`)
	}

	if o.NegativePrompt != nil {
		t.NegativePrompt = *o.NegativePrompt
	}

	if o.Reference != nil {
		t.ReferenceUploadID = &o.Reference.UploadID
	}

	return t, nil
}
