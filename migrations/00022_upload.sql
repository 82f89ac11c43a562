-- Owner: internal/upload.
-- +goose Up
create table upload (
    id              uuid        not null primary key,
    user_id         uuid        not null references generation_user (user_id),
    status          text        not null default 'pending' check (status in ('pending', 'inspecting', 'ready', 'rejected')),
    promised_type   text        not null check (promised_type in ('image/png', 'image/jpeg', 'image/webp')),
    promised_bytes  bigint      not null check (promised_bytes > 0),
    promised_sha256 bytea       check (length(promised_sha256) = 32),
    raw_key         text        not null unique,
    key             text        unique,
    content_type    text,
    width           integer,
    height          integer,
    bytes           bigint,
    sha256          bytea,
    reason          text,
    created_at      timestamptz not null,
    expires_at      timestamptz not null,
    ended_at        timestamptz,
    last_used_at    timestamptz,
    raw_deleted_at  timestamptz,
    deleted_at      timestamptz,
    check ((ended_at is not null) = (status in ('ready', 'rejected'))),
    check ((reason is not null) = (status = 'rejected')),
    check ((key is null) = (sha256 is null)),
    check (status <> 'ready' or key is not null)
);
comment on table upload is 'One picture that a user brings to start from. The row is committed before either of its objects is put.';
comment on column upload.status is 'erase: row with the upload';
comment on column upload.promised_type is 'erase: row with the upload';
comment on column upload.promised_sha256 is 'erase: row with the upload';
comment on column upload.raw_key is 'erase: row with the upload, after the object';
comment on column upload.key is 'erase: row with the upload, after the object';
comment on column upload.content_type is 'erase: row with the upload';
comment on column upload.sha256 is 'erase: row with the upload';
comment on column upload.reason is 'erase: row with the upload';
comment on column upload.expires_at is 'Until then what was promised may be put and completed.';
comment on column upload.raw_deleted_at is 'When what was put was deleted for the last time: nobody can put it again.';

-- What one user has open.
create index upload_user_idx on upload (user_id) where deleted_at is null;
-- What has been put may be put again until the link ends; what was not completed is of no use after it.
create index upload_expired_idx on upload (expires_at) where raw_deleted_at is null;
-- What nobody may need any more.
create index upload_ended_idx on upload (ended_at) where deleted_at is null and ended_at is not null;
-- What is on its way out.
create index upload_deleted_idx on upload (id) where deleted_at is not null;

-- +goose Down
drop table upload;
