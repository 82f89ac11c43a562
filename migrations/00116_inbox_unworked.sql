-- Owner: internal/inbox.
-- Schedulers say how long the oldest event waits to be worked. Of what it says, and of whom, they see nothing.
-- +goose Up
grant select (source, state, received_at) on inbox_event to imagerun_scheduler;

-- +goose Down
revoke select (source, state, received_at) on inbox_event from imagerun_scheduler;
