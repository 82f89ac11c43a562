-- Owner: internal/auth/apikey.
-- A key whose expiry JSON cannot show took the list of its user with it.
-- +goose Up
-- +goose StatementBegin
create function api_key_expiry() returns trigger language plpgsql as $$
begin
    if new.expires_at >= timestamptz '10000-01-01 00:00:00+00' then
        raise exception 'api_key.expires_at is later than can be shown' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
create trigger api_key_expiry before insert or update of expires_at on api_key for each row execute function api_key_expiry();
comment on function api_key_expiry is 'JSON has years of four digits. A trigger, because a check would also keep an earlier row that exceeds them from being changed, as by its revocation.';

-- +goose Down
drop trigger api_key_expiry on api_key;
drop function api_key_expiry;
