-- Owner: internal/credits; ai_task's column is internal/generation's.
-- +goose Up
alter table ai_task add column prices jsonb not null default '{}';
comment on column ai_task.prices is 'erase: holds no personal value; row with the generation. What an image of it costs, in credits, by the model that makes it; empty: it was accepted when generations were free.';

alter table billing_subject add column welcomed_at timestamptz;
comment on column billing_subject.welcomed_at is 'When welcome credits were given, or found to have been given before; null: the address was not verified yet.';

-- The processes read no address. For welcome credits once per address they need to know an address
-- again, not to know it: they get its digest, and keep that under a key alone.
-- +goose StatementBegin
create function verified_address_digest(who uuid) returns bytea
    language sql stable security definer set search_path = pg_catalog
    return (select sha256(convert_to(lower(btrim(u."email")), 'UTF8')) from auth."user" u where u."id" = who and u."emailVerified");
-- +goose StatementEnd
revoke all on function verified_address_digest(uuid) from public;
grant execute on function verified_address_digest(uuid) to imagerun_app;

-- +goose Down
drop function verified_address_digest;
alter table billing_subject drop column welcomed_at;
alter table ai_task drop column prices;
