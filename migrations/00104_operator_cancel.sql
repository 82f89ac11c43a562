-- Owner: internal/generation.
-- Who asked a generation to stop decides which code it ends with. The release before says of each that it was its user.
-- +goose Up
alter table ai_task add column operator_cancel boolean not null default false;
comment on column ai_task.operator_cancel is 'It was an operator who asked for cancel_requested, and not its user.';

-- +goose Down
alter table ai_task drop column operator_cancel;
