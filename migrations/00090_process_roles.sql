-- Owner: internal/postgres.
-- A group role for each process. imagerun_app may do what all of them may, and is for releases that know of no other.
-- imagerun_mailer is whoever sends the mails of the auth service, whose links open accounts; no process is.
-- +goose Up
-- +goose StatementBegin
do $$
declare
    name text;
begin
    foreach name in array array['imagerun_api', 'imagerun_worker', 'imagerun_scheduler', 'imagerun_operator', 'imagerun_mailer'] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I nologin', name);
        end if;
    end loop;
end
$$;
-- +goose StatementEnd

-- +goose Down
-- Roles are of the whole server: other databases may use them.
select;
