-- Owner: queue/durable.
-- An operator may order the jobs of something that has a name of its own, a generation for instance, and once for each request.
-- +goose Up
alter table job_audit add column about uuid, add column request text;
comment on column job_audit.about is 'What the order was about, where it was not about jobs alone.';
comment on column job_audit.request is 'erase: the number of a ticket, or a random id; with the row. An order with one is carried out once.';

-- +goose Down
alter table job_audit drop column request, drop column about;
