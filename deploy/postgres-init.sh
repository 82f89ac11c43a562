#!/bin/sh
# Run by the Postgres image when it makes its data folder: the login roles of the processes. The
# group roles get their rights from the migrations. It makes what is missing, so that on a folder
# from before it can be run again:
#
#   docker compose exec postgres sh /docker-entrypoint-initdb.d/10-roles.sh
set -eu

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
	--set api="$API_PASSWORD" --set worker="$WORKER_PASSWORD" --set scheduler="$SCHEDULER_PASSWORD" \
	--set operator="$OPERATOR_PASSWORD" --set auth="$AUTH_PASSWORD" <<'SQL'
create temp table logins (name, password) as values
	('api', :'api'), ('worker', :'worker'), ('scheduler', :'scheduler'), ('operator', :'operator'), ('auth', :'auth');
select format('create role %I nologin', 'imagerun_' || name) from logins
	where not exists (select from pg_roles where rolname = 'imagerun_' || name)
\gexec
select format('create role %I login', name) from logins where not exists (select from pg_roles where rolname = name)
\gexec
select format('alter role %I password %L', name, password), format('grant %I to %I', 'imagerun_' || name, name) from logins
\gexec
alter role auth set search_path = auth;
SQL
