-- Owner: queue/durable.
-- Each job writes its row four or five times and deletes it. Vacuum goes by dead rows alone
-- (00010_job.sql) and, since the table is small and always in memory, without pauses: it must
-- keep up with thousands of dead rows a second. Statistics of a table whose contents are always
-- other ones are made anew by count too.
-- +goose Up
alter table job set (
    autovacuum_vacuum_cost_delay = 0,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 2000
);

-- +goose Down
alter table job reset (autovacuum_vacuum_cost_delay, autovacuum_analyze_scale_factor, autovacuum_analyze_threshold);
