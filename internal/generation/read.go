package generation

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation/db"
)

// Get returns one generation of the user's. Errors: [ErrNotFound], [ErrDeleted].
func (s *Service) Get(ctx context.Context, userID, id uuid.UUID) (Generation, error) {
	row, err := s.db.TaskGet(ctx, s.Pool, db.TaskGetParams{ID: id, UserID: userID})

	switch {
	case notFound(err):
		gone, err := s.db.TombstoneExists(ctx, s.Pool, db.TombstoneExistsParams{ID: id, UserID: userID})
		if err != nil {
			return Generation{}, fmt.Errorf("look for tombstone of %s: %w", id, err)
		}

		if gone {
			return Generation{}, ErrDeleted
		}

		return Generation{}, ErrNotFound
	case err != nil:
		return Generation{}, fmt.Errorf("read generation %s: %w", id, err)
	case row.AiTask.DeletedAt != nil:
		return Generation{}, ErrDeleted
	}

	gs, err := s.assemble(ctx, []db.AiTask{row.AiTask})
	if err != nil {
		return Generation{}, err
	}

	return gs[0], nil
}

// List returns one page of the user's generations, newest first. An id to page from that is not
// the user's gives [ErrNotFound].
func (s *Service) List(ctx context.Context, userID uuid.UUID, f Filter) (Page, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 20
	}

	var (
		where = []string{"user_id = $1", "deleted_at is null"}
		args  = []any{userID}
		order = "desc"
	)

	arg := func(v any) string {
		args = append(args, v)

		return "$" + strconv.Itoa(len(args))
	}

	if len(f.Statuses) > 0 {
		names := make([]string, len(f.Statuses))
		for i, st := range f.Statuses {
			names[i] = string(st)
		}

		where = append(where, "status = any("+arg(names)+")")
	}

	if f.Model != "" {
		where = append(where, "model = "+arg(f.Model))
	}

	if f.CreatedAfter != nil {
		where = append(where, "created_at > "+arg(*f.CreatedAfter))
	}

	if f.CreatedBefore != nil {
		where = append(where, "created_at < "+arg(*f.CreatedBefore))
	}

	from, op := f.StartingAfter, "<"
	if f.EndingBefore != uuid.Nil {
		from, op, order = f.EndingBefore, ">", "asc"
	}

	if from != uuid.Nil {
		row, err := s.db.TaskGet(ctx, s.Pool, db.TaskGetParams{ID: from, UserID: userID})
		if notFound(err) {
			return Page{}, ErrNotFound
		} else if err != nil {
			return Page{}, fmt.Errorf("read generation %s: %w", from, err)
		}

		where = append(where, fmt.Sprintf("(created_at, id) %s (%s, %s)", op, arg(row.AiTask.CreatedAt), arg(from)))
	}

	sql := fmt.Sprintf("select * from ai_task where %s order by created_at %s, id %s limit %s",
		strings.Join(where, " and "), order, order, arg(limit+1))

	rows, err := s.Pool.Query(ctx, sql, args...)
	if err != nil {
		return Page{}, fmt.Errorf("list generations: %w", err)
	}

	tasks, err := pgx.CollectRows(rows, pgx.RowToStructByNameLax[db.AiTask])
	if err != nil {
		return Page{}, fmt.Errorf("list generations: %w", err)
	}

	page := Page{HasMore: len(tasks) > limit}
	tasks = tasks[:min(limit, len(tasks))]

	if order == "asc" {
		for i, j := 0, len(tasks)-1; i < j; i, j = i+1, j-1 {
			tasks[i], tasks[j] = tasks[j], tasks[i]
		}
	}

	page.Generations, err = s.assemble(ctx, tasks)

	return page, err
}

// Events returns the changes of the user's generation after a sequence, oldest first. Errors as
// of [Service.Get].
func (s *Service) Events(ctx context.Context, userID, id uuid.UUID, after int64) ([]Event, error) {
	if _, err := s.db.TaskGet(ctx, s.Pool, db.TaskGetParams{ID: id, UserID: userID}); err != nil {
		_, err := s.Get(ctx, userID, id)

		return nil, err
	}

	rows, err := s.db.EventList(ctx, s.Pool, db.EventListParams{TaskID: id, After: after})
	if err != nil {
		return nil, fmt.Errorf("list events of %s: %w", id, err)
	}

	events := make([]Event, len(rows))
	for i, r := range rows {
		events[i] = Event{Sequence: r.Sequence, Status: Status(r.Status), At: r.At}
		if r.ImageIndex != nil {
			index := int(*r.ImageIndex)
			events[i].ImageIndex = &index
		}
	}

	return events, nil
}

// assemble turns rows into generations: parameters, images with links, place in the queue.
func (s *Service) assemble(ctx context.Context, tasks []db.AiTask) ([]Generation, error) {
	out := make([]Generation, len(tasks))
	at := make(map[uuid.UUID]int, len(tasks))
	ids := make([]uuid.UUID, len(tasks))

	for i, t := range tasks {
		g := Generation{
			ID: t.ID, UserID: t.UserID, Status: Status(t.Status), StatusSequence: t.StatusSequence,
			Model: t.Model, Prompt: t.Prompt, NegativePrompt: t.NegativePrompt, Metadata: t.Metadata,
			SupportCode: t.SupportCode, CreatedAt: t.CreatedAt, DeadlineAt: t.DeadlineAt,
			AdmittedAt: t.AdmittedAt, FinishedAt: t.FinishedAt,
		}

		g.ReferenceID, g.ServedModel = t.ReferenceUploadID, orEmpty(t.ServedModel)

		if t.Progress != nil && g.Status == StatusRunning {
			g.Progress = new(float64(*t.Progress))
		}

		if t.FailureCode != nil {
			g.FailureCode = FailureCode(*t.FailureCode)
		}

		p, err := parametersOf(t)
		if err != nil {
			return nil, err
		}

		g.Parameters = p

		if g.Status == StatusQueued && t.AdmittedAt == nil {
			position, err := s.db.AdmissionPosition(ctx, s.Pool, db.AdmissionPositionParams{ID: t.ID, Provider: t.Provider})
			if err == nil { // admitted in the meantime: no position
				n := int(position)
				g.QueuePosition = &n
			} else if !notFound(err) {
				return nil, fmt.Errorf("read queue position of %s: %w", t.ID, err)
			}
		}

		out[i], at[t.ID], ids[i] = g, i, t.ID
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

		g := &out[at[r.TaskID]]
		g.Images = append(g.Images, img)
	}

	return out, nil
}

func (s *Service) image(ctx context.Context, r db.AiImage) (Image, error) {
	img := Image{ID: r.ID, Index: int(r.Index), Status: ImageStatus(r.Status)}
	if img.Status != ImageStored {
		return img, nil
	}

	img.Width, img.Height, img.Bytes, img.ContentType = int(*r.Width), int(*r.Height), *r.Bytes, *r.ContentType

	var err error
	if img.URL, img.ExpiresAt, err = s.Bucket.SignGet(ctx, r.Key); err != nil {
		return Image{}, fmt.Errorf("sign link of image %s: %w", r.ID, err)
	}

	if img.ThumbnailURL, _, err = s.Bucket.SignGet(ctx, r.ThumbnailKey); err != nil {
		return Image{}, fmt.Errorf("sign link of thumbnail %s: %w", r.ID, err)
	}

	return img, nil
}
