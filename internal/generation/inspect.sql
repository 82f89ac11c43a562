-- What operators look at: never what somebody wrote.

-- name: InspectTask :one
select t.id, t.user_id, u.plan, t.provider, t.status, t.model, t.served_model, t.failure_code, t.support_code, t.created_at, t.deadline_at,
       t.admitted_at, t.finished_at, t.deleted_at, t.remix_of, t.reference_upload_id,
       (t.cancel_requested and t.finished_at is null)::boolean as canceling
from ai_task t join generation_user u on u.user_id = t.user_id where t.id = @id;

-- name: InspectEvents :many
select status, image_index, at from generation_event where task_id = @task_id order by sequence;

-- name: InspectAttempts :many
select id, n, state, model, endpoint, request_id, error_code, created_at, sent_at, callback_at, finished_at, erased_at
from provider_attempt where task_id = @task_id order by n;

-- name: InspectImages :many
select id, index, status, key, thumbnail_key, content_type, width, height, bytes, stored_at, lost_at
from ai_image where task_id = @task_id order by index;
