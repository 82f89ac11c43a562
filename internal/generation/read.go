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

// taskColumns are those that [db.AiTask] has, in words: this release must be able to read what it asks for once the
// next one has added a column.
const taskColumns = `id, user_id, provider, status, status_sequence, model, catalogue_hash, prompt, negative_prompt,
    parameters, metadata, failure_code, support_code, created_at, deadline_at, admitted_at, finished_at, deleted_at,
    reference_upload_id, reference_key, served_model, progress, provider_position, favourite_at, remix_of, prices,
    cancel_requested`

// Get returns one generation of the user's. Errors: [ErrNotFound], [ErrDeleted].
func (s *Service) Get(ctx context.Context, userID, id uuid.UUID) (Generation, error) {
	t, err := s.visible(ctx, userID, id)
	if err != nil {
		return Generation{}, err
	}

	gs, err := s.assemble(ctx, []db.AiTask{t})
	if err != nil {
		return Generation{}, err
	}

	return gs[0], nil
}

// visible returns the row of one generation of the user's. Errors: [ErrNotFound], [ErrDeleted].
func (s *Service) visible(ctx context.Context, userID, id uuid.UUID) (db.AiTask, error) {
	row, err := s.db.TaskGet(ctx, s.Pool, db.TaskGetParams{ID: id, UserID: userID})

	switch {
	case notFound(err):
		gone, err := s.db.TombstoneExists(ctx, s.Pool, db.TombstoneExistsParams{ID: id, UserID: userID})
		if err != nil {
			return db.AiTask{}, fmt.Errorf("look for tombstone of %s: %w", id, err)
		}

		if gone {
			return db.AiTask{}, ErrDeleted
		}

		return db.AiTask{}, ErrNotFound
	case err != nil:
		return db.AiTask{}, fmt.Errorf("read generation %s: %w", id, err)
	case row.AiTask.DeletedAt != nil:
		return db.AiTask{}, ErrDeleted
	}

	return row.AiTask, nil
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

	if f.Favourite {
		where = append(where, "favourite_at is not null")
	}

	if f.RemixOf != uuid.Nil {
		where = append(where, "remix_of = "+arg(f.RemixOf))
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

	sql := fmt.Sprintf("select %s from ai_task where %s order by created_at %s, id %s limit %s",
		taskColumns, strings.Join(where, " and "), order, order, arg(limit+1))

	rows, err := s.Pool.Query(ctx, sql, args...)
	if err != nil {
		return Page{}, fmt.Errorf("list generations: %w", err)
	}

	tasks, err := pgx.CollectRows(rows, pgx.RowToStructByName[db.AiTask])
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
