-- Owner: auth. Mails that the auth service wants sent. It may only add rows; whoever sends them
-- reads and deletes. Better Auth swallows the errors of its mail hooks, so the hooks do no more than
-- one insert into the database that they already use.
-- +goose Up
create table auth_mail (
    id         uuid        not null primary key default gen_random_uuid(),
    kind       text        not null check (kind in ('verify-email', 'reset-password')),
    user_id    uuid        not null, -- auth.user; no foreign key: erasure is ours, step by step
    recipient  text        not null,
    url        text        not null,
    token      text        not null,
    created_at timestamptz not null default now()
);
comment on table auth_mail is 'A mail to send for the auth service. url and token open an account for an hour: they are secrets.';
comment on column auth_mail.kind is 'erase: row when sent, 24 hours after creation, or with the account';
comment on column auth_mail.recipient is 'erase: row when sent, 24 hours after creation, or with the account';
comment on column auth_mail.url is 'erase: row when sent, 24 hours after creation, or with the account';
comment on column auth_mail.token is 'erase: row when sent, 24 hours after creation, or with the account';
create index auth_mail_created_idx on auth_mail (created_at);
create index auth_mail_user_idx on auth_mail (user_id);

grant insert on auth_mail to imagerun_auth;
revoke insert, update on auth_mail from imagerun_app;

-- +goose Down
drop table auth_mail;
