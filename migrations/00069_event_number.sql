-- Owner: internal/generation.
-- A standby that takes over may lack the last commits, and what they had numbered is numbered once more. Whoever saw the
-- lost ones must not go on behind them: each history of a database (Postgres calls it a timeline, and a takeover
-- begins one) has numbers of its own, beyond those of the one before.
-- +goose Up
-- +goose StatementBegin
create function number_after(last bigint) returns bigint language sql volatile as $$
    select greatest(last + 1, least(('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint - 1, 8000) << 40)
$$;
-- +goose StatementEnd

comment on function number_after is 'The number after the last one; a history''s first is 2^40 times the takeovers before it, so that JSON''s 2^53 is far.';

-- +goose Down
drop function number_after;
