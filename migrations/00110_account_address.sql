-- Owner: internal/auth/betterauth. The vendor of payments is told the address of who buys, so that the payment and the account have the same.
-- +goose Up
-- +goose StatementBegin
create function account_address(who uuid) returns text
    language sql stable security definer set search_path = pg_catalog
as $$
    select "email" from auth."user" where "id" = who
$$;
-- +goose StatementEnd
comment on function account_address is 'The address of an account. Null: there is no such account.';
revoke all on function account_address(uuid) from public;
grant execute on function account_address(uuid) to imagerun_api, imagerun_app;

-- +goose Down
drop function account_address;
