-- Owner: auth. Links that open accounts are for who sends them: no process of any release has read or removed them as imagerun_app,
-- which deletes those that are over by auth.purge.
-- +goose Up
revoke select, delete on auth_mail from imagerun_app;
comment on table auth_mail is 'A mail to send for the auth service. url and token open an account for an hour: they are secrets, which imagerun_mailer alone reads.';

-- +goose Down
comment on table auth_mail is 'A mail to send for the auth service. url and token open an account for an hour: they are secrets.';
grant select, delete on auth_mail to imagerun_app;
