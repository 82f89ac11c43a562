-- Owner: internal/upload.
-- A picture whose object is gone is no reference any more.
-- +goose Up
alter table upload add column lost_at timestamptz;
comment on column upload.lost_at is 'When a sweep found the object of a ready upload gone. Null: never, or it came back.';

-- +goose Down
alter table upload drop column lost_at;
