-- Owner: internal/upload.
-- The sweep walks the rows in the order in which the bucket lists: that of the bytes.
-- +goose Up
alter table upload
    alter column raw_key type text collate "C",
    alter column key type text collate "C";

-- +goose Down
alter table upload
    alter column raw_key type text collate "default",
    alter column key type text collate "default";
