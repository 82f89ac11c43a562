-- Owner: auth. The processes may not read or delete accounts and sessions; they may have those deleted whose time is over.
-- +goose Up
-- +goose StatementBegin
create function auth.purge(most integer) returns integer
    language sql volatile security definer set search_path = pg_catalog
as $$
    with expired as (
        delete from auth."session" where "id" in (
            select "id" from auth."session" where "expiresAt" <= now() limit most for update skip locked)
        returning 1
    ), unused as (
        delete from auth."verification" where "id" in (
            select "id" from auth."verification" where "expiresAt" <= now() limit most for update skip locked)
        returning 1
    ), unverified as (
        -- Without sessions and keys, so nothing of the product is theirs. One that is verified meanwhile is locked or spared.
        delete from auth."user" where "id" in (
            select u."id" from auth."user" u
            where not u."emailVerified" and u."createdAt" <= now() - interval '7 days'
              and not exists (select from auth."session" s where s."userId" = u."id" and s."expiresAt" > now())
              and not exists (select from public.api_key k where k.user_id = u."id")
            limit most for update of u skip locked)
        returning 1
    ), unsent as (
        delete from public.auth_mail where id in (
            select id from public.auth_mail where created_at <= now() - interval '24 hours' limit most for update skip locked)
        returning 1
    ), idle as (
        delete from auth."rateLimit" where "id" in (
            select "id" from auth."rateLimit"
            where "lastRequest" <= (extract(epoch from now() - interval '24 hours') * 1000)::bigint limit most for update skip locked)
        returning 1
    )
    select greatest((select count(*) from expired), (select count(*) from unused), (select count(*) from unverified),
        (select count(*) from unsent), (select count(*) from idle))::integer
$$;
-- +goose StatementEnd
comment on function auth.purge is 'Deletes what is over, at most so many rows of each table, and returns the most that it deleted of one.';
revoke all on function auth.purge(integer) from public;
grant execute on function auth.purge(integer) to imagerun_app;

-- +goose Down
drop function auth.purge;
