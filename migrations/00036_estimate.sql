-- Owner: internal/generation.
-- How long a model takes is measured over its latest generations.
-- +goose Up
create index ai_task_measured_idx on ai_task (model, finished_at desc)
    where admitted_at is not null and status in ('succeeded', 'partial');

-- +goose Down
drop index ai_task_measured_idx;
