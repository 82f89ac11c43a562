-- Owner: internal/credits. Welcome credits are once for a mailbox, which has more addresses than one: with a part behind
-- "+", and with dots or under names of its domain, where the provider says that they make no difference.
-- +goose Up
-- +goose StatementBegin
create function verified_mailbox_digest(who uuid) returns bytea
    language sql stable security definer set search_path = pg_catalog
as $$
    select sha256(convert_to(case when p.dots_ignored then replace(n.name, '.', '') else n.name end || '@' || p.domain, 'UTF8'))
    from (select lower(btrim("email")) as address from auth."user" where "id" = who and "emailVerified") u,
        lateral (select substring(u.address from '^(.*)@[^@]*$') as local, substring(u.address from '[^@]*$') as domain) a,
        lateral (select coalesce(substring(a.local from '^([^+]+)\+'), a.local) as name) n,
        lateral (
            select case
                when a.domain = 'googlemail.com' then 'gmail.com'
                when a.domain in ('protonmail.com', 'pm.me') then 'proton.me'
                else a.domain
            end as domain, a.domain in ('gmail.com', 'googlemail.com', 'proton.me', 'protonmail.com', 'pm.me') as dots_ignored
        ) p
$$;
-- +goose StatementEnd
comment on function verified_mailbox_digest is 'What verified_address_digest is for the address, for its mailbox; the same, where the address has nothing to take away.';
revoke all on function verified_mailbox_digest(uuid) from public;
grant execute on function verified_mailbox_digest(uuid) to imagerun_app;

-- +goose Down
drop function verified_mailbox_digest;
