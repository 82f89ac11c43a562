-- Owner: queue/durable.
-- A handler's completion is sent together with the commit of its transaction, so nobody can look at how
-- many rows it found: where it finds none, it has to fail by itself.
-- +goose Up
-- +goose StatementBegin
create function job_complete(job_id uuid, job_holder uuid) returns void
language plpgsql as $$
begin
    delete from job where id = job_id and holder = job_holder and not canceling;

    if not found then
        raise exception 'job is no longer held' using errcode = 'JB001';
    end if;
end
$$;
-- +goose StatementEnd

comment on function job_complete is 'Deletes a job that is held; JB001 when this holder has it no longer, or an operator canceled it.';

-- +goose Down
drop function job_complete;
