-- What operators look at: never what a user wrote.

-- name: InspectTask :one
select t.id, t.user_id, u.plan, t.provider, t.status, t.model, t.served_model, t.failure_code, t.support_code, t.created_at, t.deadline_at,
       t.admitted_at, t.finished_at, t.deleted_at, t.remix_of, t.reference_upload_id,
       (t.cancel_requested and t.finished_at is null)::boolean as canceling
from ai_task t join generation_user u on u.user_id = t.user_id where t.id = @id;

-- name: InspectEvents :many
select status, image_index, at from generation_event where task_id = @task_id order by sequence;

-- name: InspectAttempts :many
select a.id, a.n, a.state, a.model, a.endpoint, a.request_id, a.error_code, a.created_at, a.sent_at, a.callback_at, a.finished_at,
       a.erased_at, coalesce(trim_scale(c.units_told)::text, '')::text as units_told,
       coalesce(trim_scale(c.units_billed)::text, '')::text as units_billed, c.cost_nano_usd
from provider_attempt a left join provider_cost c on c.attempt_id = a.id where a.task_id = @task_id order by a.n;

-- name: InspectImages :many
select id, index, status, key, thumbnail_key, content_type, width, height, bytes, stored_at, lost_at
from ai_image where task_id = @task_id order by index;
