-- Owner: internal/payments.
-- A withdrawal stays as it was declared, and a refund says since when it may have happened.
-- +goose Up
alter table payment_refund add column sent_at timestamptz;
comment on column payment_refund.sent_at is 'Since when the vendor may have carried it out. Null: it was not asked yet, or did not.';

-- Only what is seven years old may go. The chain begins then with the oldest that is left.
-- +goose StatementBegin
create function withdrawal_refuse() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        if old.declared_at < now() - interval '7 years' then
            return old;
        end if;
    end if;
    raise exception 'withdrawals stay as they were declared: % of %', tg_op, tg_table_name using errcode = 'integrity_constraint_violation';
end
$$;
-- +goose StatementEnd
create trigger payment_withdrawal_kept before update or delete on payment_withdrawal for each row execute function withdrawal_refuse();
create trigger payment_withdrawal_whole before truncate on payment_withdrawal execute function withdrawal_refuse();

-- Who declares a withdrawal takes its credits back, and has staff return what the vendor cannot.
grant insert, update on credit_claw to imagerun_api;
grant insert, update on payment_difference to imagerun_api;

-- +goose Down
revoke insert, update on payment_difference from imagerun_api;
revoke insert, update on credit_claw from imagerun_api;
drop trigger payment_withdrawal_whole on payment_withdrawal;
drop trigger payment_withdrawal_kept on payment_withdrawal;
drop function withdrawal_refuse;
alter table payment_refund drop column sent_at;
