-- Owner: queue/durable.
-- Audit rows are kept for a year and then deleted. The processes may not delete from the table; this
-- function does it for them, and only what is old enough by the database's own clock.
-- +goose Up
-- +goose StatementBegin
create function job_audit_purge(most integer) returns bigint
    language sql security definer set search_path = pg_catalog, public
as $$
    with old as (
        select id from job_audit where at < clock_timestamp() - interval '1 year'
        order by at limit most for update skip locked
    ), gone as (
        delete from job_audit using old where job_audit.id = old.id returning job_audit.id
    )
    select count(*) from gone
$$;
-- +goose StatementEnd
comment on function job_audit_purge is 'Deletes at most so many rows that are older than a year, oldest first, and returns how many.';
revoke execute on function job_audit_purge from public;
grant execute on function job_audit_purge to imagerun_app;

create index job_audit_at_idx on job_audit (at);
comment on column job_audit.operator is 'erase: the login of one of our own operators; kept as evidence for a year';

-- +goose Down
comment on column job_audit.operator is 'erase: the login of one of our own operators; kept as evidence, the owner role removes it';
drop index job_audit_at_idx;
drop function job_audit_purge;
