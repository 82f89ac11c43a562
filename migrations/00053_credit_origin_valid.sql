-- Owner: internal/credits.
-- +goose Up
alter table credit_grant validate constraint credit_grant_anew_check;

-- +goose Down
select 1;
