-- Owner: internal/generation.
-- What is shown of an image until its thumbnail has arrived.
-- +goose Up
alter table ai_image add column thumbhash bytea;
comment on column ai_image.thumbhash is 'erase: row with the task. Null: stored before there were any.';

-- +goose Down
alter table ai_image drop column thumbhash;
