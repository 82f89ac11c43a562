-- name: TaskCountWaiting :one
-- What waits is what was neither admitted nor ended. To say it by the status would take an index that each change of a status has to
-- change, too. What is in the background waits behind the rest.
select count(*)::integer as waiting, count(*) filter (where not background)::integer as normal from ai_task
where user_id = $1 and provider = $2 and admitted_at is null and finished_at is null;

-- name: TaskInsert :exec
insert into ai_task (id, user_id, provider, model, catalogue_hash, prompt, negative_prompt, parameters, metadata,
    support_code, created_at, deadline_at, reference_upload_id, reference_key, remix_of, prices, background)
values (@id, @user_id, @provider, @model, @catalogue_hash, @prompt, sqlc.narg(negative_prompt), @parameters, @metadata,
    @support_code, @created_at, @deadline_at, sqlc.narg(reference_upload_id), sqlc.narg(reference_key),
    sqlc.narg(remix_of), @prices, @background);

-- name: ImagesInsert :exec
insert into ai_image (id, task_id, index, key, thumbnail_key)
select unnest(@ids::uuid[]), @task_id, unnest(@indexes::smallint[]), unnest(@keys::text[]), unnest(@thumbnail_keys::text[]);
