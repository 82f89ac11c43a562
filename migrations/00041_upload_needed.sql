-- Owner: internal/upload.
-- What nobody needs any more is found by when it was last needed.
-- +goose Up
drop index upload_ended_idx;
create index upload_needed_idx on upload (greatest(ended_at, last_used_at), id) where deleted_at is null and ended_at is not null;

-- +goose Down
drop index upload_needed_idx;
create index upload_ended_idx on upload (ended_at) where deleted_at is null and ended_at is not null;
