-- name: UserEnsure :one
insert into generation_user (user_id) values (@user_id)
on conflict (user_id) do update set user_id = excluded.user_id
returning ref, plan;

-- name: UserLock :one
-- The transaction that has the row counts what the user has waiting, and numbers their next event.
select ref from generation_user where user_id = @user_id for no key update;

-- name: UserRef :one
select ref from generation_user where user_id = @user_id;

-- name: UserPlan :one
select plan from generation_user where user_id = @user_id;

-- name: UserSetPlan :exec
insert into generation_user (user_id, plan) values (@user_id, @plan)
on conflict (user_id) do update set plan = excluded.plan;

-- name: UserReplacePlan :execrows
-- No row: they have another one, which an operator gave them.
insert into generation_user (user_id, plan) values (@user_id, @plan)
on conflict (user_id) do update set plan = excluded.plan where generation_user.plan = any(@was::text[]);
