-- Owner: internal/inbox.
-- What was not worked yet, by source: a few rows of a year's.
-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists inbox_event_unworked_idx;
create index concurrently inbox_event_unworked_idx on inbox_event (source, received_at) where state = 'received';

-- +goose Down
drop index concurrently if exists inbox_event_unworked_idx;
