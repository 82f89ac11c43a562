-- Owner: internal/payments.
-- A person who comes back from paying asks again and again whether it was seen. That is a reason to look, now and then.
-- +goose Up
alter table payment_checkout add column asked_at timestamptz;
comment on column payment_checkout.asked_at is 'When a look was last staged because its owner asked. Null: never.';

-- +goose Down
alter table payment_checkout drop column asked_at;
