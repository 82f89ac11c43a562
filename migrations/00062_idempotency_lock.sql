-- Owner: internal/idempotency.
-- The lock of a key goes out with statements that would wait for whoever has it. So it fails where it cannot be
-- had at once, and what is behind it in the batch is not done.
-- +goose Up
-- +goose StatementBegin
create function idempotency_lock(owner uuid, key text) returns void
language plpgsql as $$
begin
    if not pg_try_advisory_xact_lock(hashtextextended(owner::text || ':' || key, 0)) then
        raise exception 'idempotency key is in use' using errcode = 'IK001';
    end if;
end
$$;
-- +goose StatementEnd

comment on function idempotency_lock is 'Locks a key until the transaction ends; IK001 when another transaction has it.';

-- +goose Down
drop function idempotency_lock;
