-- Owner: auth (the Better Auth service); api_key's row is internal/auth/apikey's. Whoever has a password replaced wants
-- everybody else out. Here it is one transaction with the new password, whichever call of Better Auth writes it.
-- +goose Up
-- +goose StatementBegin
create function auth.end_access() returns trigger
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    if tg_op = 'UPDATE' and new."password" is not distinct from old."password" then
        return null;
    end if;
    delete from auth."session" where "userId" = new."userId";
    delete from auth."verification" where "value" = new."userId"::text;
    update public.api_key set revoked_at = now() where user_id = new."userId" and revoked_at is null;
    return null;
end $$;
-- +goose StatementEnd
create trigger end_access after insert or update of "password" on auth."account"
    for each row execute function auth.end_access();

-- What opens an account goes with it: its reset links, and the mails with its links.
-- +goose StatementBegin
create function auth.forget_links() returns trigger
    language plpgsql security definer set search_path = pg_catalog
as $$
begin
    delete from auth."verification" where "value" = old."id"::text;
    delete from public.auth_mail where user_id = old."id";
    return null;
end $$;
-- +goose StatementEnd
create trigger forget_links after delete on auth."user"
    for each row execute function auth.forget_links();

-- +goose Down
drop trigger forget_links on auth."user";
drop function auth.forget_links;
drop trigger end_access on auth."account";
drop function auth.end_access;
