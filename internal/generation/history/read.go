package history

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/generation"
	"imagerun/internal/generation/db"
	"imagerun/internal/postgres"
)

// taskColumns are those that [db.AiTask] has, in words: this release must be able to read what it asks for once the
// next one has added a column.
const taskColumns = `id, user_id, provider, status, status_sequence, model, catalogue_hash, prompt, negative_prompt,
    parameters, metadata, failure_code, support_code, created_at, deadline_at, admitted_at, finished_at, deleted_at,
    reference_upload_id, reference_key, served_model, progress, provider_position, favourite_at, remix_of, prices,
    cancel_requested, delay_reason, delay_since, delay_next, operator_cancel, background`

// Get returns one generation of the user's. Errors: [generation.ErrNotFound], [generation.ErrDeleted].
func (s *History) Get(ctx context.Context, userID, id uuid.UUID) (generation.Generation, error) {
	t, err := s.Tasks.FindOwned(ctx, userID, id)
	if err != nil {
		return generation.Generation{}, err
	}

	gs, err := s.assembleAll(ctx, []db.AiTask{t})
	if err != nil {
		return generation.Generation{}, err
	}

	return gs[0], nil
}

// GetMany returns those of the user's generations that there are, by their ids.
func (s *History) GetMany(ctx context.Context, userID uuid.UUID, ids []uuid.UUID) (map[uuid.UUID]generation.Generation, error) {
	tasks, err := s.db.TaskMany(ctx, s.Pool, db.TaskManyParams{UserID: userID, Ids: ids})
	if err != nil {
		return nil, fmt.Errorf("read generations of user %s: %w", userID, err)
	}

	all, err := s.assembleAll(ctx, tasks)
	found := make(map[uuid.UUID]generation.Generation, len(all))

	for _, g := range all {
		found[g.ID] = g
	}

	return found, err
}

// List returns one page of the user's generations, newest first. A place that is only an id which is not
// the user's, or no more, gives [generation.ErrNotFound].
func (s *History) List(ctx context.Context, userID uuid.UUID, f generation.Filter) (generation.Page, error) {
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

	if f.RemixOf != nil {
		where = append(where, "remix_of = "+arg(*f.RemixOf))
	}

	if len(f.Metadata) > 0 {
		where = append(where, "metadata @> "+arg(f.Metadata)+"::jsonb")
	}

	if f.CreatedAfter != nil {
		where = append(where, "created_at > "+arg(*f.CreatedAfter))
	}

	if f.CreatedBefore != nil {
		where = append(where, "created_at < "+arg(*f.CreatedBefore))
	}

	from, op := f.StartingAfter, "<"
	if f.EndingBefore != nil {
		from, op, order = f.EndingBefore, ">", "asc"
	}

	if from != nil {
		at, err := s.timeOf(ctx, userID, *from)
		if err != nil {
			return generation.Page{}, err
		}

		where = append(where, fmt.Sprintf("(created_at, id) %s (%s, %s)", op, arg(at), arg(from.ID)))
	}

	sql := fmt.Sprintf("select %s from ai_task where %s order by created_at %s, id %s limit %s",
		taskColumns, strings.Join(where, " and "), order, order, arg(limit+1))

	rows, err := s.Pool.Query(ctx, sql, args...)
	if err != nil {
		return generation.Page{}, fmt.Errorf("list generations: %w", err)
	}

	tasks, err := pgx.CollectRows(rows, pgx.RowToStructByName[db.AiTask])
	if err != nil {
		return generation.Page{}, fmt.Errorf("list generations: %w", err)
	}

	page := generation.Page{HasMore: len(tasks) > limit}
	tasks = tasks[:min(limit, len(tasks))]

	if order == "asc" {
		for i, j := 0, len(tasks)-1; i < j; i, j = i+1, j-1 {
			tasks[i], tasks[j] = tasks[j], tasks[i]
		}
	}

	page.Generations, err = s.assembleAll(ctx, tasks)

	return page, err
}

// timeOf returns the time of a place, which is that of its generation unless it says so itself. Errors: [generation.ErrNotFound].
func (s *History) timeOf(ctx context.Context, userID uuid.UUID, p generation.Place) (time.Time, error) {
	if !p.CreatedAt.IsZero() {
		return p.CreatedAt, nil
	}

	row, err := s.db.TaskGet(ctx, s.Pool, db.TaskGetParams{ID: p.ID, UserID: userID})

	switch {
	case postgres.IsNotFound(err):
		return time.Time{}, generation.ErrNotFound
	case err != nil:
		return time.Time{}, fmt.Errorf("read generation %s: %w", p.ID, err)
	default:
		return row.AiTask.CreatedAt, nil
	}
}
