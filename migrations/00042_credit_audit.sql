-- Owner: internal/credits.
-- +goose Up
create table credit_audit (
    at       timestamptz not null primary key,
    breaches integer     not null check (breaches >= 0)
);
comment on table credit_audit is 'When the whole ledger was audited, and how much was not in order. Kept for a year.';
revoke update on credit_audit from imagerun_app;

-- +goose Down
drop table credit_audit;
