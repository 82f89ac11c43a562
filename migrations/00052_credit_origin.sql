-- Owner: internal/credits.
-- What expired while it was held is given anew, but not for ever.
-- +goose Up
alter table credit_grant
    add column origin_expires_at timestamptz,
    add constraint credit_grant_anew_check check (origin_expires_at is null
        or (expires_at <= created_at + interval '72 hours' and expires_at <= origin_expires_at + interval '168 hours') is true) not valid;
comment on column credit_grant.origin_expires_at is 'Of what was given anew: the expiry with which the credits first came, past which they last seven days at most. Null: expires_at is that.';

-- +goose Down
alter table credit_grant drop column origin_expires_at;
