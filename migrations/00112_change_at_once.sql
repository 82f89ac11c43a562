-- Owner: internal/payments.
-- Which changes of a plan are charged at once: the credits that they were told to give alone do not say it.
-- +goose Up
alter table payment_change add column at_once boolean not null default false;
comment on column payment_change.at_once is 'It is charged, and takes effect, at once; else it is billed from the next payment on.';

-- +goose Down
alter table payment_change drop column at_once;
