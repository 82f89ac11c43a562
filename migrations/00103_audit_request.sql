-- Owner: queue/durable. A request is one decision, however often its command is repeated.
-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists job_audit_request_idx;
create unique index concurrently job_audit_request_idx on job_audit (request) where request is not null;

-- +goose Down
drop index concurrently if exists job_audit_request_idx;
