-- Owner: auth (the Better Auth service). The tables are what Better Auth 1.7.25 makes for the
-- options in auth/auth.mjs; a test compares them. Go may read what judging a session needs.
-- +goose Up
create schema auth;
grant usage on schema auth to imagerun_app, imagerun_auth;

create table auth."user" (
    "id"            uuid        not null primary key default gen_random_uuid(),
    "name"          text        not null,
    "email"         text        not null unique,
    "emailVerified" boolean     not null,
    "image"         text,
    "createdAt"     timestamptz not null default current_timestamp,
    "updatedAt"     timestamptz not null default current_timestamp,
    "role"          text,
    "banned"        boolean,
    "banReason"     text,
    "banExpires"    timestamptz
);
comment on table auth."user" is 'An account.';
comment on column auth."user"."name" is 'erase: row with the account';
comment on column auth."user"."email" is 'erase: row with the account';
comment on column auth."user"."image" is 'erase: row with the account';
comment on column auth."user"."role" is 'erase: row with the account';
comment on column auth."user"."banReason" is 'erase: row with the account';

create table auth."session" (
    "id"             uuid        not null primary key default gen_random_uuid(),
    "expiresAt"      timestamptz not null,
    "token"          text        not null unique,
    "createdAt"      timestamptz not null default current_timestamp,
    "updatedAt"      timestamptz not null,
    "ipAddress"      text,
    "userAgent"      text,
    "userId"         uuid        not null references auth."user" ("id") on delete cascade,
    "impersonatedBy" text
);
comment on table auth."session" is 'A signed-in browser or program. The token alone opens nothing: whoever presents it must have it signed.';
comment on column auth."session"."token" is 'erase: row at sign-out or expiry, or with the account';
comment on column auth."session"."ipAddress" is 'erase: row at sign-out or expiry, or with the account';
comment on column auth."session"."userAgent" is 'erase: row at sign-out or expiry, or with the account';
comment on column auth."session"."impersonatedBy" is 'erase: row at sign-out or expiry, or with the account';
create index "session_userId_idx" on auth."session" ("userId");

create table auth."account" (
    "id"                    uuid        not null primary key default gen_random_uuid(),
    "accountId"             text        not null,
    "providerId"            text        not null,
    "userId"                uuid        not null references auth."user" ("id") on delete cascade,
    "accessToken"           text,
    "refreshToken"          text,
    "idToken"               text,
    "accessTokenExpiresAt"  timestamptz,
    "refreshTokenExpiresAt" timestamptz,
    "scope"                 text,
    "password"              text,
    "createdAt"             timestamptz not null default current_timestamp,
    "updatedAt"             timestamptz not null
);
comment on table auth."account" is 'A way to sign in: here always the password, as scrypt hash with its salt.';
comment on column auth."account"."accountId" is 'erase: row with the account';
comment on column auth."account"."providerId" is 'erase: row with the account';
comment on column auth."account"."accessToken" is 'erase: row with the account';
comment on column auth."account"."refreshToken" is 'erase: row with the account';
comment on column auth."account"."idToken" is 'erase: row with the account';
comment on column auth."account"."scope" is 'erase: row with the account';
comment on column auth."account"."password" is 'erase: row with the account';
create index "account_userId_idx" on auth."account" ("userId");

create table auth."verification" (
    "id"         uuid        not null primary key default gen_random_uuid(),
    "identifier" text        not null,
    "value"      text        not null,
    "expiresAt"  timestamptz not null,
    "createdAt"  timestamptz not null default current_timestamp,
    "updatedAt"  timestamptz not null default current_timestamp
);
comment on table auth."verification" is 'An open password reset: the hash of its token, and whose it is.';
comment on column auth."verification"."identifier" is 'erase: row at use or expiry, or with the account';
comment on column auth."verification"."value" is 'erase: row at use or expiry, or with the account';
create index "verification_identifier_idx" on auth."verification" ("identifier");

create table auth."rateLimit" (
    "id"          uuid    not null primary key default gen_random_uuid(),
    "key"         text    not null unique,
    "count"       integer not null,
    "lastRequest" bigint  not null
);
comment on table auth."rateLimit" is 'Calls by client address and path in the present window; lastRequest is in milliseconds since 1970.';
comment on column auth."rateLimit"."key" is 'erase: row 24 hours after the last request';

grant select, insert, update, delete on all tables in schema auth to imagerun_auth;
grant select ("id", "emailVerified", "role", "banned", "banExpires") on auth."user" to imagerun_app;
grant select ("id", "token", "userId", "createdAt", "expiresAt", "impersonatedBy") on auth."session" to imagerun_app;

-- +goose Down
drop schema auth cascade;
