#!/bin/sh
# Run by the Postgres image when it makes its data folder: the login roles of the processes. The
# group roles get their rights from the migrations.
set -eu

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
	--set app_password="$APP_PASSWORD" --set auth_password="$AUTH_PASSWORD" <<'SQL'
create role imagerun_app nologin;
create role imagerun_auth nologin;
create role app login password :'app_password' in role imagerun_app;
create role auth login password :'auth_password' in role imagerun_auth;
alter role auth set search_path = auth;
SQL
