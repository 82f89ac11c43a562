-- Owner: internal/credits.
-- A grant whose expiry JSON cannot show took the balance of its user with it.
-- +goose Up
-- +goose StatementBegin
create function credit_grant_expiry() returns trigger language plpgsql as $$
begin
    if new.expires_at >= timestamptz '10000-01-01 00:00:00+00' then
        raise exception 'credit_grant.expires_at is later than can be shown' using errcode = 'check_violation';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
create trigger credit_grant_expiry before insert or update of expires_at on credit_grant for each row execute function credit_grant_expiry();
comment on function credit_grant_expiry is 'JSON has years of four digits. A trigger, because a check would also keep an earlier row that exceeds them from being changed, as by its revocation.';

-- +goose Down
drop trigger credit_grant_expiry on credit_grant;
drop function credit_grant_expiry;
