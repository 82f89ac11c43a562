-- Owner: internal/generation.
-- What a user has waiting in the order of its turns: it takes the place of ai_task_unadmitted_idx, which has it by age.
-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists ai_task_turn_idx;
create index concurrently ai_task_turn_idx on ai_task (provider, user_id, background, created_at, id) include (model)
    where admitted_at is null and finished_at is null;

-- +goose Down
drop index concurrently if exists ai_task_turn_idx;
