-- Owner: internal/postgres. What each process does with each table, and no more. Nothing is theirs by default: the migration
-- that makes a table says who may do what with it, and rights.txt beside it shows all of that.
-- +goose Up
grant usage on schema public to imagerun_api, imagerun_worker, imagerun_scheduler, imagerun_operator, imagerun_mailer;
grant usage on schema auth to imagerun_api, imagerun_worker, imagerun_operator;

-- Jobs. Whoever stages one may lock the one that lives already; operators, on the dashboard of the api too, remove dead ones.
grant select, insert, update on job to imagerun_scheduler;
grant select, insert, update, delete on job to imagerun_api, imagerun_worker;
grant select, update, delete on job to imagerun_operator;
grant select, insert on job_audit to imagerun_api, imagerun_operator;
grant execute on function job_audit_purge(integer) to imagerun_worker;
grant select on queue_pause to imagerun_worker, imagerun_scheduler;
grant select, insert, delete on queue_pause to imagerun_api, imagerun_operator;
grant select on schedule to imagerun_api, imagerun_operator;
grant select, insert, update on schedule to imagerun_scheduler;

-- Accounts. Nobody of these reads an address, a password or a link.
grant select ("id", "emailVerified", "role", "banned", "banExpires") on auth."user" to imagerun_api;
grant select ("id") on auth."user" to imagerun_operator;
grant select ("id", "token", "userId", "createdAt", "expiresAt", "impersonatedBy") on auth."session" to imagerun_api;
grant execute on function auth.purge(integer) to imagerun_worker;
grant select, delete on auth_mail to imagerun_mailer;
grant select, insert, update on api_key to imagerun_api;
grant select, insert, update on idempotency_record to imagerun_api;
grant select, delete on idempotency_record to imagerun_worker;

-- Generations. What hangs on a task goes with it, by its foreign key.
grant select, insert, update on ai_task, ai_image, generation_user to imagerun_api;
grant select, update, delete on ai_task to imagerun_worker;
grant select, update on ai_task to imagerun_scheduler, imagerun_operator;
grant select, update on ai_image, generation_user to imagerun_worker, imagerun_scheduler, imagerun_operator;
grant select, insert on generation_event to imagerun_api, imagerun_worker, imagerun_scheduler, imagerun_operator;
grant select, insert on generation_tombstone to imagerun_api;
grant select, delete on generation_tombstone to imagerun_worker;
grant select, update on provider_attempt to imagerun_api;
grant select on provider_attempt to imagerun_scheduler;
grant select, insert, update on provider_attempt to imagerun_worker;
grant select, update on provider_attempt_tombstone to imagerun_api;
grant select, insert, update, delete on provider_attempt_tombstone to imagerun_worker;
grant select, insert, update on admission_clock, admission_turn to imagerun_api, imagerun_worker, imagerun_scheduler;
grant select on model_breaker to imagerun_api, imagerun_scheduler;
grant select, insert, update, delete on model_breaker to imagerun_worker;
grant select, insert, update on upload to imagerun_api;
grant select, update, delete on upload to imagerun_worker;
grant select, update on upload to imagerun_operator;
grant select on object_sweep to imagerun_scheduler;
grant select, insert, update on object_sweep to imagerun_operator;
grant select, insert, update, delete on object_sweep to imagerun_worker;

-- Credits. Nobody changes or removes an entry.
grant select, insert, update on user_credit, billing_subject, credit_hold, credit_hold_allocation to imagerun_api;
grant select, insert, update on user_credit to imagerun_operator;
grant select, insert on billing_subject to imagerun_operator;
grant select, update on user_credit, credit_hold, credit_hold_allocation to imagerun_worker, imagerun_scheduler;
grant select, update on credit_hold, credit_hold_allocation to imagerun_operator;
grant select on credit_claw to imagerun_api, imagerun_worker, imagerun_operator;
grant select, insert, update on credit_grant to imagerun_api, imagerun_worker, imagerun_scheduler, imagerun_operator;
grant select, insert on ledger_txn, ledger_posting to imagerun_api, imagerun_worker, imagerun_scheduler, imagerun_operator;
grant select, insert on signup_tombstone to imagerun_api;
grant select on credit_audit to imagerun_scheduler;
grant select, insert, delete on credit_audit to imagerun_worker, imagerun_operator;
grant execute on function verified_address_digest(uuid), verified_mailbox_digest(uuid) to imagerun_api;

-- +goose Down
revoke all on all tables in schema public, auth from imagerun_api, imagerun_worker, imagerun_scheduler, imagerun_operator, imagerun_mailer;
revoke all on all functions in schema public, auth from imagerun_api, imagerun_worker;
revoke all on schema public, auth from imagerun_api, imagerun_worker, imagerun_scheduler, imagerun_operator, imagerun_mailer;
