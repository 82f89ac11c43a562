-- Owner: internal/storage/sweep.
-- +goose Up
create table object_sweep (
    id          uuid        not null primary key, -- the job's, or of its own where an operator swept by hand
    started_at  timestamptz not null,
    finished_at timestamptz,
    cursor      text,
    report      jsonb       not null
);
comment on table object_sweep is 'One comparison of the bucket with the rows that own its objects, and how far it has come.';
comment on column object_sweep.cursor is 'erase: null when the sweep ends; row with the next night that is 90 days later. The key up to which it has come: ids alone.';
comment on column object_sweep.report is 'erase: holds no personal value; row after 90 days. Counts alone.';

create index object_sweep_finished_idx on object_sweep (finished_at);

-- Owner: internal/generation.
-- The sweep walks the rows in the order in which the bucket lists: that of the bytes.
alter table ai_image
    alter column key type text collate "C",
    alter column thumbnail_key type text collate "C",
    add column lost_at timestamptz,
    add column thumbnail_lost_at timestamptz;
comment on column ai_image.lost_at is 'When a sweep found the object of a stored image gone. Null: never, or it came back.';
comment on column ai_image.thumbnail_lost_at is 'The same for the thumbnail.';

-- +goose Down
alter table ai_image drop column lost_at, drop column thumbnail_lost_at,
    alter column key type text collate "default", alter column thumbnail_key type text collate "default";
drop table object_sweep;
