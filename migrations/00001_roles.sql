-- Owner: internal/postgres.
-- Group roles with the least rights that each process needs; login roles are made members by
-- whoever runs the database. imagerun_app is the Go processes, imagerun_auth the auth service.
-- +goose Up
-- +goose StatementBegin
do $$
begin
    if not exists (select from pg_roles where rolname = 'imagerun_app') then
        create role imagerun_app nologin;
    end if;
    if not exists (select from pg_roles where rolname = 'imagerun_auth') then
        create role imagerun_auth nologin;
    end if;
end
$$;
-- +goose StatementEnd

revoke create on schema public from public;
grant usage on schema public to imagerun_app, imagerun_auth;
alter default privileges in schema public grant select, insert, update, delete on tables to imagerun_app;
alter default privileges in schema public grant usage on sequences to imagerun_app;

-- +goose Down
alter default privileges in schema public revoke all on tables from imagerun_app;
alter default privileges in schema public revoke all on sequences from imagerun_app;
revoke usage on schema public from imagerun_app, imagerun_auth;
