-- Owner: internal/payments.
-- When a list of the vendor's was last read to its end, also while it is read anew: an alarm is about just those readings that do not end.
-- +goose Up
alter table payment_scan add column read_at timestamptz;
comment on column payment_scan.read_at is 'When it was last read to its end, whatever is under way now. Null: never, or by the release before.';

-- +goose Down
alter table payment_scan drop column read_at;
