-- name: BreakerList :many
select * from model_breaker where opened_at is not null;

-- name: BreakerFail :one
-- One more failure in a row; at the limit it opens, and a failed probe keeps it open.
insert into model_breaker (model, failures) values (@model, 1)
on conflict (model) do update set failures = model_breaker.failures + 1,
    opened_at = case when model_breaker.failures + 1 >= sqlc.arg(limit_)::integer then coalesce(model_breaker.opened_at, sqlc.arg(at)::timestamptz) end
returning *;

-- name: BreakerClose :execrows
-- Where there is no failure to forget it writes nothing, so that no worker waits for another.
delete from model_breaker where model = @model;

-- name: BreakerProbe :execrows
-- One caller in each pause may try a model that is open.
update model_breaker set probed_at = sqlc.arg(at)::timestamptz
where model = @model and opened_at is not null and coalesce(probed_at, opened_at) <= sqlc.arg(before)::timestamptz;
