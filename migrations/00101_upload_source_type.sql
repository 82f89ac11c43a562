-- Owner: internal/upload.
-- A file that says that a model had a part in it is remembered to have said so: its metadata is not kept.
-- +goose Up
alter table upload add column source_type text;
comment on column upload.source_type is 'erase: row with the upload. A term of the IPTC''s vocabulary of digital source types. Null: the file bore no mark of a model.';

-- +goose Down
alter table upload drop column source_type;
