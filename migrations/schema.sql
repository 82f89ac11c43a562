-- The whole schema, for reading. Made from the migrations by `make generate`.

CREATE SCHEMA auth;

CREATE FUNCTION auth.end_access() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
begin
    if tg_op = 'UPDATE' and new."password" is not distinct from old."password" then
        return null;
    end if;
    delete from auth."session" where "userId" = new."userId";
    delete from auth."verification" where "value" = new."userId"::text;
    update public.api_key set revoked_at = now() where user_id = new."userId" and revoked_at is null;
    return null;
end $$;

CREATE FUNCTION auth.forget_links() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
begin
    delete from auth."verification" where "value" = old."id"::text;
    delete from public.auth_mail where user_id = old."id";
    return null;
end $$;

CREATE FUNCTION auth.purge(most integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    with expired as (
        delete from auth."session" where "id" in (
            select "id" from auth."session" where "expiresAt" <= now() limit most for update skip locked)
        returning 1
    ), unused as (
        delete from auth."verification" where "id" in (
            select "id" from auth."verification" where "expiresAt" <= now() limit most for update skip locked)
        returning 1
    ), unverified as (
        -- Without sessions and keys, so nothing of the product is theirs. One that is verified meanwhile is locked or spared.
        delete from auth."user" where "id" in (
            select u."id" from auth."user" u
            where not u."emailVerified" and u."createdAt" <= now() - interval '7 days'
              and not exists (select from auth."session" s where s."userId" = u."id" and s."expiresAt" > now())
              and not exists (select from public.api_key k where k.user_id = u."id")
            limit most for update of u skip locked)
        returning 1
    ), unsent as (
        delete from public.auth_mail where id in (
            select id from public.auth_mail where created_at <= now() - interval '24 hours' limit most for update skip locked)
        returning 1
    ), idle as (
        delete from auth."rateLimit" where "id" in (
            select "id" from auth."rateLimit"
            where "lastRequest" <= (extract(epoch from now() - interval '24 hours') * 1000)::bigint limit most for update skip locked)
        returning 1
    )
    select greatest((select count(*) from expired), (select count(*) from unused), (select count(*) from unverified),
        (select count(*) from unsent), (select count(*) from idle))::integer
$$;

COMMENT ON FUNCTION auth.purge(most integer) IS 'Deletes what is over, at most so many rows of each table, and returns the most that it deleted of one.';

CREATE FUNCTION public.account_address(who uuid) RETURNS text
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select "email" from auth."user" where "id" = who
$$;

COMMENT ON FUNCTION public.account_address(who uuid) IS 'The address of an account. Null: there is no such account.';

CREATE FUNCTION public.api_key_expiry() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if new.expires_at >= timestamptz '10000-01-01 00:00:00+00' then
        raise exception 'api_key.expires_at is later than can be shown' using errcode = 'check_violation';
    end if;
    return new;
end
$$;

COMMENT ON FUNCTION public.api_key_expiry() IS 'JSON has years of four digits. A trigger, because a check would also keep an earlier row that exceeds them from being changed, as by its revocation.';

CREATE FUNCTION public.credit_grant_expiry() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if new.expires_at >= timestamptz '10000-01-01 00:00:00+00' then
        raise exception 'credit_grant.expires_at is later than can be shown' using errcode = 'check_violation';
    end if;
    return new;
end
$$;

COMMENT ON FUNCTION public.credit_grant_expiry() IS 'JSON has years of four digits. A trigger, because a check would also keep an earlier row that exceeds them from being changed, as by its revocation.';

CREATE FUNCTION public.idempotency_lock(owner uuid, key text) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    if not pg_try_advisory_xact_lock(hashtextextended(owner::text || ':' || key, 0)) then
        raise exception 'idempotency key is in use' using errcode = 'IK001';
    end if;
end
$$;

COMMENT ON FUNCTION public.idempotency_lock(owner uuid, key text) IS 'Locks a key until the transaction ends; IK001 when another transaction has it.';

CREATE FUNCTION public.job_audit_purge(most integer) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'public'
    AS $$
    with old as (
        select id from job_audit where at < clock_timestamp() - interval '1 year'
        order by at limit most for update skip locked
    ), gone as (
        delete from job_audit using old where job_audit.id = old.id returning job_audit.id
    )
    select count(*) from gone
$$;

COMMENT ON FUNCTION public.job_audit_purge(most integer) IS 'Deletes at most so many rows that are older than a year, oldest first, and returns how many.';

CREATE FUNCTION public.job_complete(job_id uuid, job_holder uuid) RETURNS void
    LANGUAGE plpgsql
    AS $$
begin
    delete from job where id = job_id and holder = job_holder and not canceling;

    if not found then
        raise exception 'job is no longer held' using errcode = 'JB001';
    end if;
end
$$;

COMMENT ON FUNCTION public.job_complete(job_id uuid, job_holder uuid) IS 'Deletes a job that is held; JB001 when this holder has it no longer, or an operator canceled it.';

CREATE FUNCTION public.ledger_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
declare
    total bigint; a bigint; h bigint; d bigint;
    this record; before record;
begin
    select coalesce(sum(amount), 0),
           coalesce(sum(amount) filter (where account = 'available'), 0),
           coalesce(sum(amount) filter (where account = 'held'), 0),
           coalesce(-sum(amount) filter (where account = 'debt'), 0)
      into total, a, h, d
      from ledger_posting where subject = new.subject and sequence = new.sequence;
    select available, held, debt into this from ledger_txn where subject = new.subject and sequence = new.sequence;
    select available, held, debt into before from ledger_txn where subject = new.subject and sequence = new.sequence - 1;
    if not found and new.sequence > 1 then
        raise exception 'ledger: an entry before % of % is missing', new.sequence, new.subject using errcode = 'integrity_constraint_violation';
    end if;
    if total <> 0 then
        raise exception 'ledger: entry % of % does not balance', new.sequence, new.subject using errcode = 'integrity_constraint_violation';
    end if;
    if this.available <> coalesce(before.available, 0) + a or this.held <> coalesce(before.held, 0) + h
       or this.debt <> coalesce(before.debt, 0) + d then
        raise exception 'ledger: entry % of % does not follow from the one before', new.sequence, new.subject using errcode = 'integrity_constraint_violation';
    end if;
    perform from user_credit where subject = new.subject and version >= new.sequence;
    if not found then
        raise exception 'ledger: the balance of % does not know of entry %', new.subject, new.sequence using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end
$$;

CREATE FUNCTION public.ledger_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    raise exception 'the ledger is append only: % of %', tg_op, tg_table_name using errcode = 'integrity_constraint_violation';
end
$$;

CREATE FUNCTION public.number_after(last bigint) RETURNS bigint
    LANGUAGE sql
    AS $$
    select greatest(last + 1, least(('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::bigint - 1, 8000) << 40)
$$;

COMMENT ON FUNCTION public.number_after(last bigint) IS 'The number after the last one; a history''s first is 2^40 times the takeovers before it, so that JSON''s 2^53 is far.';

CREATE FUNCTION public.payment_events_about(names text[], most integer) RETURNS TABLE(id uuid, event_type text, state text, code text, received_at timestamp with time zone)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $_$
    select e.id, e.event_type, e.state, e.code, e.received_at from public.inbox_event e
    where e.source = 'creem' and exists (
        select from unnest(names) as n
        where n ~ '^(ch|ord|sub|tran)_[A-Za-z0-9_-]{6,100}$' and position(convert_to('"' || n || '"', 'UTF8') in e.body) > 0
    )
    order by e.received_at desc, e.id limit most
$_$;

COMMENT ON FUNCTION public.payment_events_about(names text[], most integer) IS 'The webhooks that name one of the vendor''s ids and whose body is still there, newest first. No other text is looked for.';

CREATE FUNCTION public.payment_subjects_of_address(digest bytea) RETURNS SETOF uuid
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $$
    select o.subject from public.payment_order o
    where o.subject is not null and sha256(convert_to(lower(btrim(o.email)), 'UTF8')) = digest
    union
    select s.subject from public.billing_subject s join auth."user" u on u."id" = s.user_id
    where sha256(convert_to(lower(btrim(u."email")), 'UTF8')) = digest
$$;

COMMENT ON FUNCTION public.payment_subjects_of_address(digest bytea) IS 'Who paid with an address, or has an account with it: by the SHA-256 of the address, trimmed and in small letters.';

CREATE FUNCTION public.user_credit_check() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    perform from user_credit c
      left join ledger_txn t on t.subject = c.subject and t.sequence = c.version
     where c.subject = new.subject and (c.available, c.held, c.debt) is distinct from (coalesce(t.available, 0), coalesce(t.held, 0), coalesce(t.debt, 0));
    if found then
        raise exception 'ledger: the balance of % is not what its entries come to', new.subject using errcode = 'integrity_constraint_violation';
    end if;
    return null;
end
$$;

CREATE TABLE auth."user" (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    name text NOT NULL,
    email text NOT NULL,
    "emailVerified" boolean NOT NULL,
    image text,
    "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    role text,
    banned boolean,
    "banReason" text,
    "banExpires" timestamp with time zone
);

COMMENT ON TABLE auth."user" IS 'An account.';

COMMENT ON COLUMN auth."user".name IS 'erase: row with the account';

COMMENT ON COLUMN auth."user".email IS 'erase: row with the account';

COMMENT ON COLUMN auth."user".image IS 'erase: row with the account';

COMMENT ON COLUMN auth."user".role IS 'erase: row with the account';

COMMENT ON COLUMN auth."user"."banReason" IS 'erase: row with the account';

CREATE FUNCTION public.verified_address_digest(who uuid) RETURNS bytea
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    RETURN (SELECT sha256(convert_to(lower(btrim(u.email)), 'UTF8'::name)) AS sha256 FROM auth."user" u WHERE ((u.id = verified_address_digest.who) AND u."emailVerified"));

CREATE FUNCTION public.verified_mailbox_digest(who uuid) RETURNS bytea
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path TO 'pg_catalog'
    AS $_$
    select sha256(convert_to(case when p.dots_ignored then replace(n.name, '.', '') else n.name end || '@' || p.domain, 'UTF8'))
    from (select lower(btrim("email")) as address from auth."user" where "id" = who and "emailVerified") u,
        lateral (select substring(u.address from '^(.*)@[^@]*$') as local, substring(u.address from '[^@]*$') as domain) a,
        lateral (select coalesce(substring(a.local from '^([^+]+)\+'), a.local) as name) n,
        lateral (
            select case
                when a.domain = 'googlemail.com' then 'gmail.com'
                when a.domain in ('protonmail.com', 'pm.me') then 'proton.me'
                else a.domain
            end as domain, a.domain in ('gmail.com', 'googlemail.com', 'proton.me', 'protonmail.com', 'pm.me') as dots_ignored
        ) p
$_$;

COMMENT ON FUNCTION public.verified_mailbox_digest(who uuid) IS 'What verified_address_digest is for the address, for its mailbox; the same, where the address has nothing to take away.';

CREATE FUNCTION public.withdrawal_refuse() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
    if tg_op = 'DELETE' then
        if old.declared_at < now() - interval '7 years' then
            return old;
        end if;
    end if;
    raise exception 'withdrawals stay as they were declared: % of %', tg_op, tg_table_name using errcode = 'integrity_constraint_violation';
end
$$;

CREATE TABLE auth.account (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    "accountId" text NOT NULL,
    "providerId" text NOT NULL,
    "userId" uuid NOT NULL,
    "accessToken" text,
    "refreshToken" text,
    "idToken" text,
    "accessTokenExpiresAt" timestamp with time zone,
    "refreshTokenExpiresAt" timestamp with time zone,
    scope text,
    password text,
    "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp with time zone NOT NULL
);

COMMENT ON TABLE auth.account IS 'A way to sign in: here always the password, as scrypt hash with its salt.';

COMMENT ON COLUMN auth.account."accountId" IS 'erase: row with the account';

COMMENT ON COLUMN auth.account."providerId" IS 'erase: row with the account';

COMMENT ON COLUMN auth.account."accessToken" IS 'erase: row with the account';

COMMENT ON COLUMN auth.account."refreshToken" IS 'erase: row with the account';

COMMENT ON COLUMN auth.account."idToken" IS 'erase: row with the account';

COMMENT ON COLUMN auth.account.scope IS 'erase: row with the account';

COMMENT ON COLUMN auth.account.password IS 'erase: row with the account';

CREATE TABLE auth."rateLimit" (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    key text NOT NULL,
    count integer NOT NULL,
    "lastRequest" bigint NOT NULL
);

COMMENT ON TABLE auth."rateLimit" IS 'Calls by client address and path in the present window; lastRequest is in milliseconds since 1970.';

COMMENT ON COLUMN auth."rateLimit".key IS 'erase: row 24 hours after the last request';

CREATE TABLE auth.session (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    "expiresAt" timestamp with time zone NOT NULL,
    token text NOT NULL,
    "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp with time zone NOT NULL,
    "ipAddress" text,
    "userAgent" text,
    "userId" uuid NOT NULL,
    "impersonatedBy" text
);

COMMENT ON TABLE auth.session IS 'A signed-in browser or program. The token alone opens nothing: whoever presents it must have it signed.';

COMMENT ON COLUMN auth.session.token IS 'erase: row at sign-out or expiry, or with the account';

COMMENT ON COLUMN auth.session."ipAddress" IS 'erase: row at sign-out or expiry, or with the account';

COMMENT ON COLUMN auth.session."userAgent" IS 'erase: row at sign-out or expiry, or with the account';

COMMENT ON COLUMN auth.session."impersonatedBy" IS 'erase: row at sign-out or expiry, or with the account';

CREATE TABLE auth.verification (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    identifier text NOT NULL,
    value text NOT NULL,
    "expiresAt" timestamp with time zone NOT NULL,
    "createdAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL,
    "updatedAt" timestamp with time zone DEFAULT CURRENT_TIMESTAMP NOT NULL
);

COMMENT ON TABLE auth.verification IS 'An open password reset: the hash of its token, and whose it is.';

COMMENT ON COLUMN auth.verification.identifier IS 'erase: row at use or expiry, or with the account';

COMMENT ON COLUMN auth.verification.value IS 'erase: row at use or expiry, or with the account';

CREATE TABLE public.admission_clock (
    provider text NOT NULL,
    now bigint NOT NULL,
    entry bigint NOT NULL
);

COMMENT ON TABLE public.admission_clock IS 'How far the line of a provider has got.';

COMMENT ON COLUMN public.admission_clock.provider IS 'erase: nothing of anybody';

CREATE TABLE public.admission_turn (
    provider text NOT NULL,
    user_id uuid NOT NULL,
    pass bigint NOT NULL
);

COMMENT ON TABLE public.admission_turn IS 'Where a user is in the line of a provider: the least pass is next, and a turn moves it on by a round divided by the weight of the plan.';

COMMENT ON COLUMN public.admission_turn.provider IS 'erase: row with the account';

CREATE TABLE public.ai_image (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    task_id uuid NOT NULL,
    index smallint NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    key text NOT NULL COLLATE pg_catalog."C",
    thumbnail_key text NOT NULL COLLATE pg_catalog."C",
    content_type text,
    width integer,
    height integer,
    bytes bigint,
    sha256 bytea,
    stored_at timestamp with time zone,
    lost_at timestamp with time zone,
    thumbnail_lost_at timestamp with time zone,
    failure_code text,
    thumbhash bytea,
    CONSTRAINT ai_image_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'stored'::text, 'blocked'::text, 'failed'::text])))
);

COMMENT ON TABLE public.ai_image IS 'One image of a generation. The row is committed before its objects are put: an object without a row is an orphan.';

COMMENT ON COLUMN public.ai_image.status IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_image.key IS 'erase: row with the task, after the object';

COMMENT ON COLUMN public.ai_image.thumbnail_key IS 'erase: row with the task, after the object';

COMMENT ON COLUMN public.ai_image.content_type IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_image.sha256 IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_image.lost_at IS 'When a sweep found the object of a stored image gone. Null: never, or it came back.';

COMMENT ON COLUMN public.ai_image.thumbnail_lost_at IS 'The same for the thumbnail.';

COMMENT ON COLUMN public.ai_image.failure_code IS 'erase: a code from our closed list; row with the task';

COMMENT ON COLUMN public.ai_image.thumbhash IS 'erase: row with the task. Null: stored before there were any.';

CREATE TABLE public.ai_task (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    provider text NOT NULL,
    status text DEFAULT 'queued'::text NOT NULL,
    status_sequence bigint DEFAULT 1 NOT NULL,
    model text NOT NULL,
    catalogue_hash text NOT NULL,
    prompt text NOT NULL,
    negative_prompt text,
    parameters jsonb NOT NULL,
    metadata jsonb DEFAULT '{}'::jsonb NOT NULL,
    failure_code text,
    support_code text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    deadline_at timestamp with time zone NOT NULL,
    admitted_at timestamp with time zone,
    finished_at timestamp with time zone,
    deleted_at timestamp with time zone,
    reference_upload_id uuid,
    reference_key text,
    served_model text,
    progress real,
    provider_position integer,
    favourite_at timestamp with time zone,
    remix_of uuid,
    prices jsonb DEFAULT '{}'::jsonb NOT NULL,
    cancel_requested boolean DEFAULT false NOT NULL,
    background boolean DEFAULT false NOT NULL,
    delay_reason text,
    delay_since timestamp with time zone,
    delay_next timestamp with time zone,
    operator_cancel boolean DEFAULT false NOT NULL,
    CONSTRAINT ai_task_check CHECK (((finished_at IS NOT NULL) = (status = ANY (ARRAY['succeeded'::text, 'partial'::text, 'failed'::text, 'blocked'::text, 'canceled'::text, 'expired'::text])))),
    CONSTRAINT ai_task_progress_check CHECK (((progress >= (0)::double precision) AND (progress <= (1)::double precision))),
    CONSTRAINT ai_task_provider_position_check CHECK ((provider_position >= 0)),
    CONSTRAINT ai_task_status_check CHECK ((status = ANY (ARRAY['queued'::text, 'submitting'::text, 'running'::text, 'storing'::text, 'succeeded'::text, 'partial'::text, 'failed'::text, 'blocked'::text, 'canceled'::text, 'expired'::text])))
);

COMMENT ON TABLE public.ai_task IS 'One generation, by the name that the privacy policy gives it.';

COMMENT ON COLUMN public.ai_task.provider IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.status IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.model IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.catalogue_hash IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.prompt IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.negative_prompt IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.parameters IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.metadata IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.failure_code IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.support_code IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.reference_key IS 'erase: row with the task; the object is the upload''s';

COMMENT ON COLUMN public.ai_task.served_model IS 'erase: row with the task';

COMMENT ON COLUMN public.ai_task.progress IS 'What the provider last said, 0 to 1. Null: it said nothing.';

COMMENT ON COLUMN public.ai_task.provider_position IS 'How many are before it at the provider. Null: it said nothing.';

COMMENT ON COLUMN public.ai_task.remix_of IS 'The generation that this one took its request from; an id, which goes with the row.';

COMMENT ON COLUMN public.ai_task.prices IS 'erase: holds no personal value; row with the generation. What an image of it costs, in credits, by the model that makes it; empty: it was accepted when generations were free.';

COMMENT ON COLUMN public.ai_task.cancel_requested IS 'Its user canceled or deleted it when its provider may have begun. It stays true when the task has ended.';

COMMENT ON COLUMN public.ai_task.background IS 'erase: row with the task. It gets a turn of its user''s only when nothing else of theirs waits.';

COMMENT ON COLUMN public.ai_task.delay_reason IS 'erase: a code from our closed list; row with the task';

COMMENT ON COLUMN public.ai_task.delay_since IS 'When it began to wait for that.';

COMMENT ON COLUMN public.ai_task.delay_next IS 'When it is tried again. Null: it is not known.';

COMMENT ON COLUMN public.ai_task.operator_cancel IS 'It was an operator who asked for cancel_requested, and not its user.';

CREATE TABLE public.api_key (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    user_id uuid NOT NULL,
    name text NOT NULL,
    prefix text NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    expires_at timestamp with time zone,
    last_used_at timestamp with time zone,
    revoked_at timestamp with time zone
);

COMMENT ON TABLE public.api_key IS 'A key that a user made for a program. The secret is random, so its SHA-256 is enough; it is shown once.';

COMMENT ON COLUMN public.api_key.name IS 'erase: row with the account';

COMMENT ON COLUMN public.api_key.prefix IS 'erase: row with the account';

COMMENT ON COLUMN public.api_key.secret_hash IS 'erase: row with the account';

COMMENT ON COLUMN public.api_key.scopes IS 'erase: row with the account';

CREATE TABLE public.auth_mail (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    kind text NOT NULL,
    user_id uuid NOT NULL,
    recipient text NOT NULL,
    url text NOT NULL,
    token text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT auth_mail_kind_check CHECK ((kind = ANY (ARRAY['verify-email'::text, 'reset-password'::text])))
);

COMMENT ON TABLE public.auth_mail IS 'A mail to send for the auth service. url and token open an account for an hour: they are secrets, which imagerun_mailer alone reads.';

COMMENT ON COLUMN public.auth_mail.kind IS 'erase: row when sent, 24 hours after creation, or with the account';

COMMENT ON COLUMN public.auth_mail.recipient IS 'erase: row when sent, 24 hours after creation, or with the account';

COMMENT ON COLUMN public.auth_mail.url IS 'erase: row when sent, 24 hours after creation, or with the account';

COMMENT ON COLUMN public.auth_mail.token IS 'erase: row when sent, 24 hours after creation, or with the account';

CREATE TABLE public.billing_subject (
    user_id uuid NOT NULL,
    subject uuid NOT NULL,
    welcomed_at timestamp with time zone
);

COMMENT ON TABLE public.billing_subject IS 'Whose money it is, under a random name. Deleting the row makes seven years of records nameless, and leaves them balanced.';

COMMENT ON COLUMN public.billing_subject.welcomed_at IS 'When welcome credits were given, or found to have been given before; null: the address was not verified yet.';

CREATE TABLE public.credit_audit (
    at timestamp with time zone NOT NULL,
    breaches integer NOT NULL,
    CONSTRAINT credit_audit_breaches_check CHECK ((breaches >= 0))
);

COMMENT ON TABLE public.credit_audit IS 'When the whole ledger was audited, and how much was not in order. Kept for a year.';

CREATE TABLE public.credit_claw (
    reference text NOT NULL,
    subject uuid NOT NULL,
    credits bigint NOT NULL,
    CONSTRAINT credit_claw_credits_check CHECK ((credits > 0))
);

COMMENT ON TABLE public.credit_claw IS 'How much of a grant is taken back in all, by the grant''s reference: it may be known before the grant is.';

COMMENT ON COLUMN public.credit_claw.reference IS 'erase: ids alone; row seven years after the payment';

CREATE TABLE public.credit_grant (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    subject uuid NOT NULL,
    source text NOT NULL,
    reference text NOT NULL,
    priority smallint NOT NULL,
    amount bigint NOT NULL,
    remaining bigint NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    captured bigint DEFAULT 0 NOT NULL,
    expired bigint DEFAULT 0 NOT NULL,
    voided bigint DEFAULT 0 NOT NULL,
    compensated bigint DEFAULT 0 NOT NULL,
    clawed bigint DEFAULT 0 NOT NULL,
    charged bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    origin_expires_at timestamp with time zone,
    CONSTRAINT credit_grant_amount_check CHECK ((amount > 0)),
    CONSTRAINT credit_grant_anew_check CHECK (((origin_expires_at IS NULL) OR (((expires_at <= (created_at + '72:00:00'::interval)) AND (expires_at <= (origin_expires_at + '168:00:00'::interval))) IS TRUE))),
    CONSTRAINT credit_grant_captured_check CHECK ((captured >= 0)),
    CONSTRAINT credit_grant_charged_check CHECK ((charged >= 0)),
    CONSTRAINT credit_grant_check CHECK (((compensated >= 0) AND (compensated <= expired))),
    CONSTRAINT credit_grant_check1 CHECK (((clawed >= 0) AND (clawed <= amount))),
    CONSTRAINT credit_grant_check2 CHECK ((expires_at > created_at)),
    CONSTRAINT credit_grant_check3 CHECK ((amount = ((((remaining + held) + captured) + expired) + voided))),
    CONSTRAINT credit_grant_check4 CHECK (((voided + charged) <= clawed)),
    CONSTRAINT credit_grant_check5 CHECK (((remaining = 0) OR ((voided + charged) >= (clawed - (expired - compensated))))),
    CONSTRAINT credit_grant_expired_check CHECK ((expired >= 0)),
    CONSTRAINT credit_grant_held_check CHECK ((held >= 0)),
    CONSTRAINT credit_grant_remaining_check CHECK ((remaining >= 0)),
    CONSTRAINT credit_grant_source_check CHECK ((source = ANY (ARRAY['signup'::text, 'promotion'::text, 'subscription'::text, 'pack'::text, 'operator'::text, 'compensation'::text, 'refund'::text]))),
    CONSTRAINT credit_grant_voided_check CHECK ((voided >= 0))
);

COMMENT ON TABLE public.credit_grant IS 'Credits that came at once, and what became of each of them. compensated: the part of expired that was given anew. clawed: what a refund of the payment takes back; charged: the part of it that became debt.';

COMMENT ON COLUMN public.credit_grant.source IS 'erase: holds no personal value; row seven years after the payment';

COMMENT ON COLUMN public.credit_grant.reference IS 'erase: ids alone; row seven years after the payment';

COMMENT ON COLUMN public.credit_grant.origin_expires_at IS 'Of what was given anew: the expiry with which the credits first came, past which they last seven days at most. Null: expires_at is that.';

CREATE TABLE public.credit_hold (
    task_id uuid NOT NULL,
    subject uuid NOT NULL,
    amount bigint NOT NULL,
    captured bigint DEFAULT 0 NOT NULL,
    released bigint DEFAULT 0 NOT NULL,
    refunded bigint DEFAULT 0 NOT NULL,
    auto_refund_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    closed_at timestamp with time zone,
    CONSTRAINT credit_hold_amount_check CHECK ((amount > 0)),
    CONSTRAINT credit_hold_captured_check CHECK ((captured >= 0)),
    CONSTRAINT credit_hold_check CHECK (((refunded >= 0) AND (refunded <= captured))),
    CONSTRAINT credit_hold_check1 CHECK (((captured + released) <= amount)),
    CONSTRAINT credit_hold_check2 CHECK (((closed_at IS NULL) OR ((captured + released) = amount))),
    CONSTRAINT credit_hold_check3 CHECK (((closed_at IS NOT NULL) OR (released = 0))),
    CONSTRAINT credit_hold_released_check CHECK ((released >= 0))
);

COMMENT ON TABLE public.credit_hold IS 'What is set aside for a generation. Past auto_refund_at an open one is the reaper''s.';

CREATE TABLE public.credit_hold_allocation (
    task_id uuid NOT NULL,
    n smallint NOT NULL,
    grant_id uuid NOT NULL,
    amount bigint NOT NULL,
    captured bigint DEFAULT 0 NOT NULL,
    released bigint DEFAULT 0 NOT NULL,
    CONSTRAINT credit_hold_allocation_amount_check CHECK ((amount > 0)),
    CONSTRAINT credit_hold_allocation_captured_check CHECK ((captured >= 0)),
    CONSTRAINT credit_hold_allocation_check CHECK (((captured + released) <= amount)),
    CONSTRAINT credit_hold_allocation_released_check CHECK ((released >= 0))
);

COMMENT ON TABLE public.credit_hold_allocation IS 'Which grants a hold stands on, in the order in which they are captured.';

CREATE TABLE public.generation_event (
    task_id uuid NOT NULL,
    sequence bigint NOT NULL,
    status text NOT NULL,
    image_index smallint,
    at timestamp with time zone DEFAULT now() NOT NULL,
    user_id uuid NOT NULL,
    user_sequence bigint NOT NULL,
    canceling boolean DEFAULT false NOT NULL
);

COMMENT ON TABLE public.generation_event IS 'Every change of a generation that a watcher sees, by status_sequence.';

COMMENT ON COLUMN public.generation_event.status IS 'erase: row with the task';

COMMENT ON COLUMN public.generation_event.user_sequence IS 'Number among all events and deletions of the user.';

COMMENT ON COLUMN public.generation_event.canceling IS 'The task had been asked to stop, and had not ended.';

CREATE TABLE public.generation_tombstone (
    task_id uuid NOT NULL,
    user_id uuid NOT NULL,
    deleted_at timestamp with time zone DEFAULT now() NOT NULL,
    user_sequence bigint NOT NULL
);

COMMENT ON TABLE public.generation_tombstone IS 'A deleted generation, so that its owner gets 410 rather than 404 for a while. Holds nothing but ids.';

COMMENT ON COLUMN public.generation_tombstone.user_sequence IS 'Number among all events and deletions of the user.';

CREATE TABLE public.generation_user (
    user_id uuid NOT NULL,
    ref text DEFAULT replace((gen_random_uuid())::text, '-'::text, ''::text) NOT NULL,
    plan text DEFAULT 'free'::text NOT NULL,
    event_sequence bigint DEFAULT 0 NOT NULL,
    event_floor bigint DEFAULT 0 NOT NULL
);

COMMENT ON TABLE public.generation_user IS 'What generation knows of a user: a random name for object keys and hints, and the plan.';

COMMENT ON COLUMN public.generation_user.ref IS 'erase: row with the account';

COMMENT ON COLUMN public.generation_user.plan IS 'erase: row with the account';

COMMENT ON COLUMN public.generation_user.event_sequence IS 'Number of the user''s last event. Raised under the row''s lock, so no number is seen before a smaller one.';

COMMENT ON COLUMN public.generation_user.event_floor IS 'Up to here, deletions have been forgotten: whoever saw no more than that begins anew.';

CREATE TABLE public.idempotency_record (
    user_id uuid NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    resource_id uuid NOT NULL,
    status smallint NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

COMMENT ON TABLE public.idempotency_record IS 'What a key was first used for. The answer is rendered again from the resource; no body is kept.';

COMMENT ON COLUMN public.idempotency_record.key IS 'erase: 24 hours after creation, or with the account';

COMMENT ON COLUMN public.idempotency_record.fingerprint IS 'erase: 24 hours after creation, or with the account';

CREATE TABLE public.inbox_event (
    id uuid NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    event_type text NOT NULL,
    body bytea,
    state text DEFAULT 'received'::text NOT NULL,
    code text,
    received_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    ended_at timestamp with time zone,
    body_erased_at timestamp with time zone,
    CONSTRAINT inbox_event_check CHECK (((body IS NULL) = (body_erased_at IS NOT NULL))),
    CONSTRAINT inbox_event_check1 CHECK (((state = 'received'::text) = (ended_at IS NULL))),
    CONSTRAINT inbox_event_check2 CHECK (((state = 'failed'::text) = (code IS NOT NULL))),
    CONSTRAINT inbox_event_code_check CHECK ((code ~ '^[a-z][a-z0-9_]*$'::text)),
    CONSTRAINT inbox_event_event_id_check CHECK (((char_length(event_id) >= 1) AND (char_length(event_id) <= 200))),
    CONSTRAINT inbox_event_event_type_check CHECK (((char_length(event_type) >= 1) AND (char_length(event_type) <= 100))),
    CONSTRAINT inbox_event_source_check CHECK ((source ~ '^[a-z]+$'::text)),
    CONSTRAINT inbox_event_state_check CHECK ((state = ANY (ARRAY['received'::text, 'worked'::text, 'ignored'::text, 'failed'::text])))
);

COMMENT ON TABLE public.inbox_event IS 'A webhook that a vendor sent, and what became of it. Ignored: nobody here works events of its type.';

COMMENT ON COLUMN public.inbox_event.source IS 'erase: the name of a vendor; row a year after it came';

COMMENT ON COLUMN public.inbox_event.event_id IS 'erase: the vendor''s id of the event; row a year after it came';

COMMENT ON COLUMN public.inbox_event.event_type IS 'erase: the vendor''s word for what happened; row a year after it came';

COMMENT ON COLUMN public.inbox_event.body IS 'erase: null 30 days after it came. What the vendor sent, byte for byte; it may name a person.';

COMMENT ON COLUMN public.inbox_event.state IS 'erase: a word from a closed list; row a year after it came';

COMMENT ON COLUMN public.inbox_event.code IS 'erase: a code from our closed lists; row a year after it came';

CREATE TABLE public.job (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    kind text NOT NULL,
    queue text NOT NULL,
    args jsonb NOT NULL,
    dedupe_key text,
    state text DEFAULT 'staged'::text NOT NULL,
    epoch integer DEFAULT 1 NOT NULL,
    holder uuid,
    attempt integer DEFAULT 0 NOT NULL,
    lost smallint DEFAULT 0 NOT NULL,
    wake boolean DEFAULT false NOT NULL,
    error_code text,
    run_at timestamp with time zone DEFAULT now() NOT NULL,
    lease_until timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    staged_at timestamp with time zone DEFAULT now() NOT NULL,
    died_at timestamp with time zone,
    canceling boolean DEFAULT false NOT NULL,
    suspect boolean DEFAULT true NOT NULL,
    begun boolean DEFAULT true NOT NULL,
    CONSTRAINT job_check CHECK (((state = 'running'::text) = (holder IS NOT NULL))),
    CONSTRAINT job_check1 CHECK (((state = 'running'::text) = (lease_until IS NOT NULL))),
    CONSTRAINT job_check2 CHECK (((state = 'dead'::text) = (died_at IS NOT NULL))),
    CONSTRAINT job_check3 CHECK ((NOT (canceling AND (state = 'dead'::text)))),
    CONSTRAINT job_state_check CHECK ((state = ANY (ARRAY['staged'::text, 'pushed'::text, 'running'::text, 'retrying'::text, 'dead'::text])))
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='2000');

COMMENT ON TABLE public.job IS 'Work that is owed. The row goes in the transaction that completes the job; a dead one waits for an operator.';

COMMENT ON COLUMN public.job.kind IS 'erase: holds no personal value; row with the job''s end';

COMMENT ON COLUMN public.job.queue IS 'erase: holds no personal value; row with the job''s end';

COMMENT ON COLUMN public.job.args IS 'erase: ids, integers, booleans, times and enums only; row with the job''s end';

COMMENT ON COLUMN public.job.dedupe_key IS 'erase: holds ids only; row with the job''s end';

COMMENT ON COLUMN public.job.state IS 'erase: holds no personal value; row with the job''s end';

COMMENT ON COLUMN public.job.epoch IS 'Names the push: a task in Redis is called id:epoch, and an older epoch is a duplicate.';

COMMENT ON COLUMN public.job.holder IS 'Random name of the present claim: the fence that every write of a worker tests. Its first half is the worker''s.';

COMMENT ON COLUMN public.job.attempt IS 'Failed attempts so far. Claims, snoozes and lost leases do not count.';

COMMENT ON COLUMN public.job.lost IS 'Leases lost in a row; any ordinary outcome sets it back to 0.';

COMMENT ON COLUMN public.job.wake IS 'Somebody asked for this job while it ran: when it snoozes or fails, it runs again at once.';

COMMENT ON COLUMN public.job.error_code IS 'erase: a code from a closed list; row with the job''s end';

COMMENT ON COLUMN public.job.canceling IS 'An operator canceled the job: the next claim, or the worker that holds it, declares it dead.';

COMMENT ON COLUMN public.job.suspect IS 'Of a job that has lost a lease: it may have been its doing, so a worker has one such job in hand at a time.';

COMMENT ON COLUMN public.job.begun IS 'Of a suspect that runs: its handler was called, so that a lease lost counts.';

CREATE TABLE public.job_audit (
    id bigint NOT NULL,
    at timestamp with time zone DEFAULT now() NOT NULL,
    operator text NOT NULL,
    action text NOT NULL,
    queue text,
    jobs integer DEFAULT 0 NOT NULL,
    job_ids uuid[] DEFAULT '{}'::uuid[] NOT NULL,
    reason text,
    about uuid,
    request text,
    CONSTRAINT job_audit_action_check CHECK ((action = ANY (ARRAY['retry'::text, 'cancel'::text, 'pause'::text, 'resume'::text]))),
    CONSTRAINT job_audit_check CHECK ((jobs = cardinality(job_ids))),
    CONSTRAINT job_audit_check1 CHECK (((queue IS NOT NULL) = (action = ANY (ARRAY['pause'::text, 'resume'::text])))),
    CONSTRAINT job_audit_operator_check CHECK ((operator <> ''::text))
);

COMMENT ON TABLE public.job_audit IS 'Who did what to how many jobs, and when. Ids only.';

COMMENT ON COLUMN public.job_audit.operator IS 'erase: the login of one of our own operators; kept as evidence for a year';

COMMENT ON COLUMN public.job_audit.action IS 'erase: a word from a closed list; with the row';

COMMENT ON COLUMN public.job_audit.queue IS 'erase: the name of a queue; with the row';

COMMENT ON COLUMN public.job_audit.reason IS 'erase: why, in words of one of our own operators without personal values; with the row';

COMMENT ON COLUMN public.job_audit.about IS 'What the order was about, where it was not about jobs alone.';

COMMENT ON COLUMN public.job_audit.request IS 'erase: the number of a ticket, or a random id; with the row. An order with one is carried out once.';

ALTER TABLE public.job_audit ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.job_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.ledger_posting (
    subject uuid NOT NULL,
    sequence bigint NOT NULL,
    account text NOT NULL,
    grant_id uuid,
    amount bigint NOT NULL,
    CONSTRAINT ledger_posting_account_check CHECK ((account = ANY (ARRAY['available'::text, 'held'::text, 'debt'::text, 'issued_paid'::text, 'issued_free'::text, 'revenue'::text, 'expired'::text, 'taken_back'::text]))),
    CONSTRAINT ledger_posting_amount_check CHECK ((amount <> 0))
);

COMMENT ON TABLE public.ledger_posting IS 'A movement on one account. available, held and debt are the subject''s own (debt is negative there); the others are ours.';

COMMENT ON COLUMN public.ledger_posting.account IS 'erase: holds no personal value; row seven years after the payment';

CREATE TABLE public.ledger_txn (
    subject uuid NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    source text,
    business_key text NOT NULL,
    task_id uuid,
    image_index smallint,
    actor text NOT NULL,
    reason text,
    available bigint NOT NULL,
    held bigint NOT NULL,
    debt bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT ledger_txn_kind_check CHECK ((kind = ANY (ARRAY['grant'::text, 'hold'::text, 'capture'::text, 'release'::text, 'expire'::text, 'compensation'::text, 'claw'::text, 'void'::text, 'charge'::text, 'repay'::text, 'refund'::text]))),
    CONSTRAINT ledger_txn_reason_check CHECK ((reason = ANY (ARRAY['quality'::text, 'not_delivered'::text, 'mistake'::text, 'goodwill'::text, 'dispute'::text, 'payment_refunded'::text, 'other'::text]))),
    CONSTRAINT ledger_txn_sequence_check CHECK ((sequence > 0))
);

COMMENT ON TABLE public.ledger_txn IS 'One entry of somebody''s ledger, and what they have after it. Never changed: a correction is another entry.';

COMMENT ON COLUMN public.ledger_txn.kind IS 'erase: holds no personal value; row seven years after the payment';

COMMENT ON COLUMN public.ledger_txn.source IS 'erase: holds no personal value; row seven years after the payment';

COMMENT ON COLUMN public.ledger_txn.business_key IS 'erase: ids alone; row seven years after the payment';

COMMENT ON COLUMN public.ledger_txn.actor IS 'erase: system, or the login of one of our own operators; row seven years after the payment';

COMMENT ON COLUMN public.ledger_txn.reason IS 'erase: a word of a closed list; row seven years after the payment';

CREATE TABLE public.model_breaker (
    model text NOT NULL,
    failures integer DEFAULT 0 NOT NULL,
    opened_at timestamp with time zone,
    probed_at timestamp with time zone
);

COMMENT ON TABLE public.model_breaker IS 'How a model has been doing. Opened: it is left alone, but for one probe each while.';

COMMENT ON COLUMN public.model_breaker.model IS 'erase: a name from the catalogue; never';

COMMENT ON COLUMN public.model_breaker.failures IS 'Failures in a row, over all workers.';

CREATE TABLE public.object_sweep (
    id uuid NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    cursor text,
    report jsonb NOT NULL
);

COMMENT ON TABLE public.object_sweep IS 'One comparison of the bucket with the rows that own its objects, and how far it has come.';

COMMENT ON COLUMN public.object_sweep.cursor IS 'erase: null when the sweep ends; row with the next night that is 90 days later. The key up to which it has come: ids alone.';

COMMENT ON COLUMN public.object_sweep.report IS 'erase: holds no personal value; row after 90 days. Counts alone.';

CREATE TABLE public.payment_change (
    id uuid NOT NULL,
    subscription_id uuid NOT NULL,
    from_product text NOT NULL,
    to_product text NOT NULL,
    credits bigint NOT NULL,
    period_start timestamp with time zone NOT NULL,
    status text DEFAULT 'asked'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    at_once boolean DEFAULT false NOT NULL,
    CONSTRAINT payment_change_credits_check CHECK ((credits >= 0)),
    CONSTRAINT payment_change_status_check CHECK ((status = ANY (ARRAY['asked'::text, 'done'::text, 'refused'::text])))
);

COMMENT ON TABLE public.payment_change IS 'A change of a subscription''s product that its owner asked for, and the credits they were told it gives at once.';

COMMENT ON COLUMN public.payment_change.from_product IS 'erase: the id of a product; row with the subscription';

COMMENT ON COLUMN public.payment_change.to_product IS 'erase: the id of a product; row with the subscription';

COMMENT ON COLUMN public.payment_change.status IS 'erase: a word from a closed list; row with the subscription';

COMMENT ON COLUMN public.payment_change.at_once IS 'It is charged, and takes effect, at once; else it is billed from the next payment on.';

CREATE TABLE public.payment_checkout (
    id uuid NOT NULL,
    subject uuid NOT NULL,
    product_id text NOT NULL,
    plan boolean NOT NULL,
    currency text NOT NULL,
    amount bigint NOT NULL,
    status text DEFAULT 'creating'::text NOT NULL,
    vendor_id text,
    url text,
    waiver text,
    waived_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    hints integer DEFAULT 0 NOT NULL,
    next_look_at timestamp with time zone,
    asked_at timestamp with time zone,
    CONSTRAINT payment_checkout_amount_check CHECK ((amount > 0)),
    CONSTRAINT payment_checkout_check CHECK (((waiver IS NULL) = (waived_at IS NULL))),
    CONSTRAINT payment_checkout_check1 CHECK (((status = ANY (ARRAY['creating'::text, 'open'::text])) = (ended_at IS NULL))),
    CONSTRAINT payment_checkout_check2 CHECK (((url IS NULL) OR (status = 'open'::text))),
    CONSTRAINT payment_checkout_currency_check CHECK ((currency = ANY (ARRAY['EUR'::text, 'USD'::text]))),
    CONSTRAINT payment_checkout_status_check CHECK ((status = ANY (ARRAY['creating'::text, 'open'::text, 'completed'::text, 'expired'::text, 'failed'::text])))
);

COMMENT ON TABLE public.payment_checkout IS 'A wish to buy one product: ours first, then the vendor''s.';

COMMENT ON COLUMN public.payment_checkout.product_id IS 'erase: the id of a product; row seven years after it was made';

COMMENT ON COLUMN public.payment_checkout.currency IS 'erase: a word from a closed list; row seven years after it was made';

COMMENT ON COLUMN public.payment_checkout.status IS 'erase: a word from a closed list; row seven years after it was made';

COMMENT ON COLUMN public.payment_checkout.vendor_id IS 'erase: the vendor''s id of the checkout; row seven years after it was made';

COMMENT ON COLUMN public.payment_checkout.url IS 'erase: null when the checkout ends. Where the person pays: who has it may pay.';

COMMENT ON COLUMN public.payment_checkout.waiver IS 'erase: our own words, to which the person said yes; row seven years after it was made';

COMMENT ON COLUMN public.payment_checkout.hints IS 'How often a look was asked for: one that began before the last ask is done again.';

COMMENT ON COLUMN public.payment_checkout.next_look_at IS 'When reconciliation looks next. Null: it does not.';

COMMENT ON COLUMN public.payment_checkout.asked_at IS 'When a look was last staged because its owner asked. Null: never.';

CREATE TABLE public.payment_difference (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    kind text NOT NULL,
    about text NOT NULL,
    status text NOT NULL,
    credits bigint DEFAULT 0 NOT NULL,
    found_at timestamp with time zone NOT NULL,
    seen_at timestamp with time zone NOT NULL,
    settled_at timestamp with time zone,
    actor text,
    CONSTRAINT payment_difference_kind_check CHECK ((kind ~ '^[a-z][a-z_]*$'::text)),
    CONSTRAINT payment_difference_status_check CHECK ((status = ANY (ARRAY['repaired'::text, 'open'::text, 'settled'::text])))
);

COMMENT ON TABLE public.payment_difference IS 'Where our books and the vendor''s differed. Open: a person must look at it.';

COMMENT ON COLUMN public.payment_difference.kind IS 'erase: a word from a closed list; row seven years after it was found';

COMMENT ON COLUMN public.payment_difference.about IS 'erase: the id of ours or of the vendor''s that it is about; row seven years after it was found';

COMMENT ON COLUMN public.payment_difference.status IS 'erase: a word from a closed list; row seven years after it was found';

COMMENT ON COLUMN public.payment_difference.actor IS 'erase: an operator''s login; row seven years after it was found';

CREATE TABLE public.payment_order (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    subject uuid,
    kind text NOT NULL,
    product_id text,
    checkout_id uuid,
    subscription_id uuid,
    order_id text,
    transaction_id text,
    customer_mask text,
    email text,
    currency text NOT NULL,
    net bigint NOT NULL,
    tax bigint NOT NULL,
    paid bigint NOT NULL,
    paid_at timestamp with time zone NOT NULL,
    period_start timestamp with time zone,
    period_end timestamp with time zone,
    change_id uuid,
    credits_each bigint,
    months_given integer DEFAULT 0 NOT NULL,
    credits bigint DEFAULT 0 NOT NULL,
    refunded bigint DEFAULT 0 NOT NULL,
    disputed boolean DEFAULT false NOT NULL,
    refund_pending boolean DEFAULT false NOT NULL,
    next_credits_at timestamp with time zone,
    hints integer DEFAULT 0 NOT NULL,
    next_look_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT payment_order_check CHECK (((kind = 'plan'::text) = (subscription_id IS NOT NULL))),
    CONSTRAINT payment_order_check1 CHECK (((period_start IS NULL) = (period_end IS NULL))),
    CONSTRAINT payment_order_check2 CHECK (((change_id IS NULL) OR (kind = 'plan'::text))),
    CONSTRAINT payment_order_credits_check CHECK ((credits >= 0)),
    CONSTRAINT payment_order_credits_each_check CHECK ((credits_each >= 0)),
    CONSTRAINT payment_order_kind_check CHECK ((kind = ANY (ARRAY['pack'::text, 'plan'::text]))),
    CONSTRAINT payment_order_months_given_check CHECK ((months_given >= 0)),
    CONSTRAINT payment_order_refunded_check CHECK ((refunded >= 0))
);

COMMENT ON TABLE public.payment_order IS 'One payment: of a pack, or of one period of a subscription. Seven years, by the law on books.';

COMMENT ON COLUMN public.payment_order.kind IS 'erase: a word from a closed list; row seven years after the payment';

COMMENT ON COLUMN public.payment_order.product_id IS 'erase: the id of a product; row seven years after the payment. Null: none of ours, so far.';

COMMENT ON COLUMN public.payment_order.order_id IS 'erase: the vendor''s id of the order; row seven years after the payment';

COMMENT ON COLUMN public.payment_order.transaction_id IS 'erase: the vendor''s id of the payment; row seven years after the payment';

COMMENT ON COLUMN public.payment_order.customer_mask IS 'erase: the last letters of the vendor''s id of the person; row seven years after the payment';

COMMENT ON COLUMN public.payment_order.email IS 'erase: row seven years after the payment. The address that was given at the checkout, which may differ from the account''s.';

COMMENT ON COLUMN public.payment_order.currency IS 'erase: a word from a closed list; row seven years after the payment';

COMMENT ON COLUMN public.payment_order.change_id IS 'The change that it paid for, within a period that was paid before. Null: it is a pack or opens a period.';

COMMENT ON COLUMN public.payment_order.credits_each IS 'What it gives: a pack and a change once, a period each month. Null: the product is not known yet.';

COMMENT ON COLUMN public.payment_order.credits IS 'What it gave so far.';

COMMENT ON COLUMN public.payment_order.next_credits_at IS 'When the next month of it gives credits. Null: none does.';

CREATE TABLE public.payment_plan (
    subject uuid NOT NULL,
    plan text NOT NULL,
    until timestamp with time zone
);

COMMENT ON TABLE public.payment_plan IS 'The plan that a person''s payments give them now; who pays for it takes turns on the row.';

COMMENT ON COLUMN public.payment_plan.plan IS 'erase: the id of a plan; row seven years after the last payment';

COMMENT ON COLUMN public.payment_plan.until IS 'When it must be thought of again. Null: it stays.';

CREATE TABLE public.payment_refund (
    id uuid NOT NULL,
    order_id uuid NOT NULL,
    amount bigint NOT NULL,
    reason text NOT NULL,
    actor text NOT NULL,
    status text DEFAULT 'asked'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    sent_at timestamp with time zone,
    CONSTRAINT payment_refund_amount_check CHECK ((amount > 0)),
    CONSTRAINT payment_refund_reason_check CHECK ((reason = ANY (ARRAY['withdrawal'::text, 'quality'::text, 'not_delivered'::text, 'mistake'::text, 'goodwill'::text, 'other'::text]))),
    CONSTRAINT payment_refund_status_check CHECK ((status = ANY (ARRAY['asked'::text, 'sent'::text, 'done'::text, 'refused'::text, 'by_hand'::text])))
);

COMMENT ON TABLE public.payment_refund IS 'Money to give back. By hand: the vendor''s API cannot do it, a person does.';

COMMENT ON COLUMN public.payment_refund.reason IS 'erase: a word from a closed list; row with the order';

COMMENT ON COLUMN public.payment_refund.actor IS 'erase: an operator''s login, or who asks: owner; row with the order';

COMMENT ON COLUMN public.payment_refund.status IS 'erase: a word from a closed list; row with the order';

COMMENT ON COLUMN public.payment_refund.sent_at IS 'Since when the vendor may have carried it out. Null: it was not asked yet, or did not.';

CREATE TABLE public.payment_scan (
    name text NOT NULL,
    page integer DEFAULT 1 NOT NULL,
    whole boolean DEFAULT true NOT NULL,
    began_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    pages integer DEFAULT 0 NOT NULL,
    items bigint DEFAULT 0 NOT NULL,
    newest timestamp with time zone,
    read_at timestamp with time zone,
    CONSTRAINT payment_scan_name_check CHECK ((name = ANY (ARRAY['transactions'::text, 'subscriptions'::text, 'feed'::text])))
);

COMMENT ON TABLE public.payment_scan IS 'How far the vendor''s lists are read. Whole: to their end; else until all of a page is known and older than the newest of the scan before.';

COMMENT ON COLUMN public.payment_scan.name IS 'erase: a word from a closed list; the rows stay';

COMMENT ON COLUMN public.payment_scan.read_at IS 'When it was last read to its end, whatever is under way now. Null: never, or by the release before.';

CREATE TABLE public.payment_subscription (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    vendor_id text NOT NULL,
    subject uuid,
    checkout_id uuid,
    product_id text,
    status text DEFAULT 'unknown'::text NOT NULL,
    customer_id text,
    period_start timestamp with time zone,
    period_end timestamp with time zone,
    canceled_at timestamp with time zone,
    vendor_updated_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    looked_at timestamp with time zone,
    hints integer DEFAULT 0 NOT NULL,
    next_look_at timestamp with time zone DEFAULT (clock_timestamp() + '01:00:00'::interval),
    CONSTRAINT payment_subscription_status_check CHECK ((status = ANY (ARRAY['unknown'::text, 'active'::text, 'trialing'::text, 'paused'::text, 'past_due'::text, 'unpaid'::text, 'scheduled_cancel'::text, 'expired'::text, 'canceled'::text])))
);

COMMENT ON TABLE public.payment_subscription IS 'A subscription as the vendor had it when we last looked. Without a subject it is not known yet whose it is.';

COMMENT ON COLUMN public.payment_subscription.vendor_id IS 'erase: the vendor''s id of the subscription; row seven years after its last payment';

COMMENT ON COLUMN public.payment_subscription.product_id IS 'erase: the id of a product; row seven years after its last payment. Null: none of ours, so far.';

COMMENT ON COLUMN public.payment_subscription.status IS 'erase: a word from a closed list; row seven years after its last payment';

COMMENT ON COLUMN public.payment_subscription.customer_id IS 'erase: null with the account. The vendor''s id of the person.';

CREATE TABLE public.payment_withdrawal (
    id uuid NOT NULL,
    number bigint NOT NULL,
    order_id uuid NOT NULL,
    subject uuid NOT NULL,
    refund_id uuid NOT NULL,
    amount bigint NOT NULL,
    credits bigint NOT NULL,
    content text NOT NULL,
    declared_at timestamp with time zone NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT payment_withdrawal_hash_check CHECK ((octet_length(hash) = 32)),
    CONSTRAINT payment_withdrawal_number_check CHECK ((number > 0)),
    CONSTRAINT payment_withdrawal_previous_hash_check CHECK ((octet_length(previous_hash) = 32))
);

COMMENT ON TABLE public.payment_withdrawal IS 'A withdrawal from a contract, as it was declared: each carries the hash of the one before, so that none is changed or missing unseen.';

COMMENT ON COLUMN public.payment_withdrawal.content IS 'erase: row seven years after the payment. What was declared and acknowledged, in words of ours: ids, amounts and times.';

COMMENT ON COLUMN public.payment_withdrawal.previous_hash IS 'erase: row seven years after the payment';

COMMENT ON COLUMN public.payment_withdrawal.hash IS 'erase: row seven years after the payment. SHA-256 of the one before and of all of this.';

CREATE TABLE public.provider_attempt (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    task_id uuid NOT NULL,
    n smallint NOT NULL,
    state text DEFAULT 'intent'::text NOT NULL,
    endpoint text NOT NULL,
    request_id text,
    status_url text,
    response_url text,
    cancel_url text,
    callback jsonb,
    error_code text,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    sent_at timestamp with time zone,
    callback_at timestamp with time zone,
    finished_at timestamp with time zone,
    erased_at timestamp with time zone,
    model text,
    CONSTRAINT provider_attempt_state_check CHECK ((state = ANY (ARRAY['intent'::text, 'unknown'::text, 'submitted'::text, 'done'::text, 'abandoned'::text])))
);

COMMENT ON TABLE public.provider_attempt IS 'One call of a provider for a generation. The row is committed before the call: a call without a row cannot be.';

COMMENT ON COLUMN public.provider_attempt.state IS 'erase: row with the task';

COMMENT ON COLUMN public.provider_attempt.endpoint IS 'erase: row with the task';

COMMENT ON COLUMN public.provider_attempt.request_id IS 'erase: row with the task, after the payload at the provider';

COMMENT ON COLUMN public.provider_attempt.status_url IS 'erase: row with the task';

COMMENT ON COLUMN public.provider_attempt.response_url IS 'erase: row with the task';

COMMENT ON COLUMN public.provider_attempt.cancel_url IS 'erase: row with the task';

COMMENT ON COLUMN public.provider_attempt.callback IS 'erase: null when the attempt ends; row with the task';

COMMENT ON COLUMN public.provider_attempt.error_code IS 'erase: row with the task';

COMMENT ON COLUMN public.provider_attempt.model IS 'erase: row with the task';

CREATE TABLE public.provider_attempt_tombstone (
    attempt_id uuid NOT NULL,
    endpoint text NOT NULL,
    request_id text,
    forget_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.provider_attempt_tombstone IS 'An attempt of an erased generation, whose request was not known: until the provider has nothing of it any more.';

COMMENT ON COLUMN public.provider_attempt_tombstone.endpoint IS 'erase: the name of a model at the provider; with the row';

COMMENT ON COLUMN public.provider_attempt_tombstone.request_id IS 'erase: row when the payload at the provider is deleted, or at forget_at';

CREATE TABLE public.provider_bill (
    provider text NOT NULL,
    listed_until timestamp with time zone NOT NULL,
    compared_at timestamp with time zone,
    report jsonb
);

COMMENT ON TABLE public.provider_bill IS 'How far what a provider billed has been compared with its attempts.';

COMMENT ON COLUMN public.provider_bill.provider IS 'erase: the name of a provider; never';

COMMENT ON COLUMN public.provider_bill.listed_until IS 'What was billed before this has been looked through for requests that we do not know.';

COMMENT ON COLUMN public.provider_bill.compared_at IS 'When the last comparison ended. Null: none has.';

COMMENT ON COLUMN public.provider_bill.report IS 'erase: counts and sums alone, of no person; until the next comparison';

CREATE TABLE public.provider_cost (
    id uuid DEFAULT gen_random_uuid() NOT NULL,
    attempt_id uuid,
    request_id text,
    model text,
    endpoint text NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    delivered boolean DEFAULT false NOT NULL,
    images smallint DEFAULT 0 NOT NULL,
    credits bigint DEFAULT 0 NOT NULL,
    units_told numeric,
    units_billed numeric,
    cost_nano_usd bigint,
    checked_at timestamp with time zone,
    closed_at timestamp with time zone,
    CONSTRAINT provider_cost_credits_check CHECK ((credits >= 0)),
    CONSTRAINT provider_cost_images_check CHECK ((images >= 0)),
    CONSTRAINT provider_cost_units_billed_check CHECK ((units_billed >= (0)::numeric)),
    CONSTRAINT provider_cost_units_told_check CHECK ((units_told >= (0)::numeric))
);

COMMENT ON TABLE public.provider_cost IS 'What one request at the provider cost us. It names nobody.';

COMMENT ON COLUMN public.provider_cost.attempt_id IS 'Null: its generation is erased, or the provider billed a request that we do not know.';

COMMENT ON COLUMN public.provider_cost.request_id IS 'erase: null when the generation is erased; that of a request which we do not know, row after 90 days';

COMMENT ON COLUMN public.provider_cost.model IS 'erase: the name of a model; row with the task, or 90 days after the attempt of an erased one. Null: not known.';

COMMENT ON COLUMN public.provider_cost.endpoint IS 'erase: the name of a model at the provider; with the row';

COMMENT ON COLUMN public.provider_cost.ended_at IS 'When the attempt ended; of an erased generation the hour alone.';

COMMENT ON COLUMN public.provider_cost.delivered IS 'Whether the attempt ended with a result, be it one that was blocked.';

COMMENT ON COLUMN public.provider_cost.images IS 'How many images of it were stored.';

COMMENT ON COLUMN public.provider_cost.credits IS 'What was captured for these.';

COMMENT ON COLUMN public.provider_cost.units_told IS 'erase: with the row. The billable units that the provider told with the result. Null: it told none.';

COMMENT ON COLUMN public.provider_cost.units_billed IS 'erase: with the row. The units that it billed. Null: no bill was found.';

COMMENT ON COLUMN public.provider_cost.cost_nano_usd IS 'What it billed, in billionths of a US dollar, after discounts.';

COMMENT ON COLUMN public.provider_cost.checked_at IS 'When its bill was last looked for. Null: never.';

COMMENT ON COLUMN public.provider_cost.closed_at IS 'When its bill was found, or given up. Null: it is looked for each night.';

CREATE TABLE public.queue_pause (
    queue text NOT NULL,
    operator text NOT NULL,
    paused_at timestamp with time zone DEFAULT now() NOT NULL,
    reason text,
    until timestamp with time zone,
    CONSTRAINT queue_pause_operator_check CHECK ((operator <> ''::text))
);

COMMENT ON TABLE public.queue_pause IS 'A queue whose row is here is not worked until an operator resumes it.';

COMMENT ON COLUMN public.queue_pause.queue IS 'erase: the name of a queue; when it is resumed';

COMMENT ON COLUMN public.queue_pause.operator IS 'erase: the login of one of our own operators; when the queue is resumed';

COMMENT ON COLUMN public.queue_pause.reason IS 'erase: why, in words of one of our own operators without personal values; when the queue is resumed';

COMMENT ON COLUMN public.queue_pause.until IS 'When a scheduler resumes it. Null: an operator does.';

CREATE TABLE public.schedule (
    name text NOT NULL,
    last_tick timestamp with time zone NOT NULL,
    last_job uuid,
    fired_at timestamp with time zone
);

COMMENT ON TABLE public.schedule IS 'The row is locked while its due ticks become jobs, so each does once.';

COMMENT ON COLUMN public.schedule.name IS 'erase: holds no personal value; never';

COMMENT ON COLUMN public.schedule.last_tick IS 'Every tick up to here has been staged, skipped or missed.';

COMMENT ON COLUMN public.schedule.last_job IS 'The job of the latest tick, which may be done by now. Null: none yet.';

COMMENT ON COLUMN public.schedule.fired_at IS 'When that job was staged.';

CREATE TABLE public.signup_tombstone (
    address_mac bytea NOT NULL,
    CONSTRAINT signup_tombstone_address_mac_check CHECK ((length(address_mac) = 32))
);

COMMENT ON TABLE public.signup_tombstone IS 'Addresses that had their welcome credits. No time and no subject: nothing leads from here to an account.';

COMMENT ON COLUMN public.signup_tombstone.address_mac IS 'erase: never; HMAC-SHA-256 of an address under a key that is not in the database, so that welcome credits come once';

CREATE TABLE public.upload (
    id uuid NOT NULL,
    user_id uuid NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    promised_type text NOT NULL,
    promised_bytes bigint NOT NULL,
    promised_sha256 bytea,
    raw_key text NOT NULL COLLATE pg_catalog."C",
    key text COLLATE pg_catalog."C",
    content_type text,
    width integer,
    height integer,
    bytes bigint,
    sha256 bytea,
    reason text,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    last_used_at timestamp with time zone,
    raw_deleted_at timestamp with time zone,
    deleted_at timestamp with time zone,
    lost_at timestamp with time zone,
    source_type text,
    CONSTRAINT upload_check CHECK (((ended_at IS NOT NULL) = (status = ANY (ARRAY['ready'::text, 'rejected'::text])))),
    CONSTRAINT upload_check1 CHECK (((reason IS NOT NULL) = (status = 'rejected'::text))),
    CONSTRAINT upload_check2 CHECK (((key IS NULL) = (sha256 IS NULL))),
    CONSTRAINT upload_check3 CHECK (((status <> 'ready'::text) OR (key IS NOT NULL))),
    CONSTRAINT upload_promised_bytes_check CHECK ((promised_bytes > 0)),
    CONSTRAINT upload_promised_sha256_check CHECK ((length(promised_sha256) = 32)),
    CONSTRAINT upload_promised_type_check CHECK ((promised_type = ANY (ARRAY['image/png'::text, 'image/jpeg'::text, 'image/webp'::text]))),
    CONSTRAINT upload_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'inspecting'::text, 'ready'::text, 'rejected'::text])))
);

COMMENT ON TABLE public.upload IS 'One picture that a user brings to start from. The row is committed before either of its objects is put.';

COMMENT ON COLUMN public.upload.status IS 'erase: row with the upload';

COMMENT ON COLUMN public.upload.promised_type IS 'erase: row with the upload';

COMMENT ON COLUMN public.upload.promised_sha256 IS 'erase: row with the upload';

COMMENT ON COLUMN public.upload.raw_key IS 'erase: row with the upload, after the object';

COMMENT ON COLUMN public.upload.key IS 'erase: row with the upload, after the object';

COMMENT ON COLUMN public.upload.content_type IS 'erase: row with the upload';

COMMENT ON COLUMN public.upload.sha256 IS 'erase: row with the upload';

COMMENT ON COLUMN public.upload.reason IS 'erase: row with the upload';

COMMENT ON COLUMN public.upload.expires_at IS 'Until then what was promised may be put and completed.';

COMMENT ON COLUMN public.upload.raw_deleted_at IS 'When what was put was deleted for the last time: nobody can put it again.';

COMMENT ON COLUMN public.upload.lost_at IS 'When a sweep found the object of a ready upload gone. Null: never, or it came back.';

COMMENT ON COLUMN public.upload.source_type IS 'erase: row with the upload. A term of the IPTC''s vocabulary of digital source types. Null: the file bore no mark of a model.';

CREATE TABLE public.user_credit (
    subject uuid NOT NULL,
    version bigint DEFAULT 0 NOT NULL,
    available bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    debt bigint DEFAULT 0 NOT NULL,
    CONSTRAINT user_credit_available_check CHECK ((available >= 0)),
    CONSTRAINT user_credit_check CHECK (((available = 0) OR (debt = 0))),
    CONSTRAINT user_credit_debt_check CHECK ((debt >= 0)),
    CONSTRAINT user_credit_held_check CHECK ((held >= 0)),
    CONSTRAINT user_credit_version_check CHECK ((version >= 0))
);

COMMENT ON TABLE public.user_credit IS 'What somebody has. Locked first by whoever changes it. version is the sequence of the last entry.';

ALTER TABLE ONLY auth.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth."rateLimit"
    ADD CONSTRAINT "rateLimit_key_key" UNIQUE (key);

ALTER TABLE ONLY auth."rateLimit"
    ADD CONSTRAINT "rateLimit_pkey" PRIMARY KEY (id);

ALTER TABLE ONLY auth.session
    ADD CONSTRAINT session_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth.session
    ADD CONSTRAINT session_token_key UNIQUE (token);

ALTER TABLE ONLY auth."user"
    ADD CONSTRAINT user_email_key UNIQUE (email);

ALTER TABLE ONLY auth."user"
    ADD CONSTRAINT user_pkey PRIMARY KEY (id);

ALTER TABLE ONLY auth.verification
    ADD CONSTRAINT verification_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.admission_clock
    ADD CONSTRAINT admission_clock_pkey PRIMARY KEY (provider);

ALTER TABLE ONLY public.admission_turn
    ADD CONSTRAINT admission_turn_pkey PRIMARY KEY (provider, user_id);

ALTER TABLE ONLY public.ai_image
    ADD CONSTRAINT ai_image_key_key UNIQUE (key);

ALTER TABLE ONLY public.ai_image
    ADD CONSTRAINT ai_image_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ai_image
    ADD CONSTRAINT ai_image_task_id_index_key UNIQUE (task_id, index);

ALTER TABLE ONLY public.ai_image
    ADD CONSTRAINT ai_image_thumbnail_key_key UNIQUE (thumbnail_key);

ALTER TABLE ONLY public.ai_task
    ADD CONSTRAINT ai_task_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ai_task
    ADD CONSTRAINT ai_task_support_code_key UNIQUE (support_code);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.auth_mail
    ADD CONSTRAINT auth_mail_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.billing_subject
    ADD CONSTRAINT billing_subject_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.billing_subject
    ADD CONSTRAINT billing_subject_subject_key UNIQUE (subject);

ALTER TABLE ONLY public.credit_audit
    ADD CONSTRAINT credit_audit_pkey PRIMARY KEY (at);

ALTER TABLE ONLY public.credit_claw
    ADD CONSTRAINT credit_claw_pkey PRIMARY KEY (reference);

ALTER TABLE ONLY public.credit_grant
    ADD CONSTRAINT credit_grant_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.credit_grant
    ADD CONSTRAINT credit_grant_reference_key UNIQUE (reference);

ALTER TABLE ONLY public.credit_hold_allocation
    ADD CONSTRAINT credit_hold_allocation_pkey PRIMARY KEY (task_id, n);

ALTER TABLE ONLY public.credit_hold_allocation
    ADD CONSTRAINT credit_hold_allocation_task_id_grant_id_key UNIQUE (task_id, grant_id);

ALTER TABLE ONLY public.credit_hold
    ADD CONSTRAINT credit_hold_pkey PRIMARY KEY (task_id);

ALTER TABLE ONLY public.generation_event
    ADD CONSTRAINT generation_event_pkey PRIMARY KEY (task_id, sequence);

ALTER TABLE ONLY public.generation_event
    ADD CONSTRAINT generation_event_user_key UNIQUE (user_id, user_sequence);

ALTER TABLE ONLY public.generation_tombstone
    ADD CONSTRAINT generation_tombstone_pkey PRIMARY KEY (task_id);

ALTER TABLE ONLY public.generation_tombstone
    ADD CONSTRAINT generation_tombstone_user_key UNIQUE (user_id, user_sequence);

ALTER TABLE ONLY public.generation_user
    ADD CONSTRAINT generation_user_pkey PRIMARY KEY (user_id);

ALTER TABLE ONLY public.generation_user
    ADD CONSTRAINT generation_user_ref_key UNIQUE (ref);

ALTER TABLE ONLY public.idempotency_record
    ADD CONSTRAINT idempotency_record_pkey PRIMARY KEY (user_id, key);

ALTER TABLE ONLY public.inbox_event
    ADD CONSTRAINT inbox_event_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.inbox_event
    ADD CONSTRAINT inbox_event_source_event_id_key UNIQUE (source, event_id);

ALTER TABLE ONLY public.job_audit
    ADD CONSTRAINT job_audit_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.job
    ADD CONSTRAINT job_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.ledger_posting
    ADD CONSTRAINT ledger_posting_subject_sequence_account_grant_id_key UNIQUE NULLS NOT DISTINCT (subject, sequence, account, grant_id);

ALTER TABLE ONLY public.ledger_txn
    ADD CONSTRAINT ledger_txn_business_key_key UNIQUE (business_key);

ALTER TABLE ONLY public.ledger_txn
    ADD CONSTRAINT ledger_txn_pkey PRIMARY KEY (subject, sequence);

ALTER TABLE ONLY public.model_breaker
    ADD CONSTRAINT model_breaker_pkey PRIMARY KEY (model);

ALTER TABLE ONLY public.object_sweep
    ADD CONSTRAINT object_sweep_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_change
    ADD CONSTRAINT payment_change_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_checkout
    ADD CONSTRAINT payment_checkout_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_checkout
    ADD CONSTRAINT payment_checkout_vendor_id_key UNIQUE (vendor_id);

ALTER TABLE ONLY public.payment_difference
    ADD CONSTRAINT payment_difference_kind_about_key UNIQUE (kind, about);

ALTER TABLE ONLY public.payment_difference
    ADD CONSTRAINT payment_difference_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_order
    ADD CONSTRAINT payment_order_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_order
    ADD CONSTRAINT payment_order_transaction_id_key UNIQUE (transaction_id);

ALTER TABLE ONLY public.payment_plan
    ADD CONSTRAINT payment_plan_pkey PRIMARY KEY (subject);

ALTER TABLE ONLY public.payment_refund
    ADD CONSTRAINT payment_refund_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_scan
    ADD CONSTRAINT payment_scan_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.payment_subscription
    ADD CONSTRAINT payment_subscription_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.payment_subscription
    ADD CONSTRAINT payment_subscription_vendor_id_key UNIQUE (vendor_id);

ALTER TABLE ONLY public.payment_withdrawal
    ADD CONSTRAINT payment_withdrawal_hash_key UNIQUE (hash);

ALTER TABLE ONLY public.payment_withdrawal
    ADD CONSTRAINT payment_withdrawal_number_key UNIQUE (number);

ALTER TABLE ONLY public.payment_withdrawal
    ADD CONSTRAINT payment_withdrawal_order_id_key UNIQUE (order_id);

ALTER TABLE ONLY public.payment_withdrawal
    ADD CONSTRAINT payment_withdrawal_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.provider_attempt
    ADD CONSTRAINT provider_attempt_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.provider_attempt
    ADD CONSTRAINT provider_attempt_request_id_key UNIQUE (request_id);

ALTER TABLE ONLY public.provider_attempt
    ADD CONSTRAINT provider_attempt_task_id_n_key UNIQUE (task_id, n);

ALTER TABLE ONLY public.provider_attempt_tombstone
    ADD CONSTRAINT provider_attempt_tombstone_pkey PRIMARY KEY (attempt_id);

ALTER TABLE ONLY public.provider_bill
    ADD CONSTRAINT provider_bill_pkey PRIMARY KEY (provider);

ALTER TABLE ONLY public.provider_cost
    ADD CONSTRAINT provider_cost_attempt_id_key UNIQUE (attempt_id);

ALTER TABLE ONLY public.provider_cost
    ADD CONSTRAINT provider_cost_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.provider_cost
    ADD CONSTRAINT provider_cost_request_id_key UNIQUE (request_id);

ALTER TABLE ONLY public.queue_pause
    ADD CONSTRAINT queue_pause_pkey PRIMARY KEY (queue);

ALTER TABLE ONLY public.schedule
    ADD CONSTRAINT schedule_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.signup_tombstone
    ADD CONSTRAINT signup_tombstone_pkey PRIMARY KEY (address_mac);

ALTER TABLE ONLY public.upload
    ADD CONSTRAINT upload_key_key UNIQUE (key);

ALTER TABLE ONLY public.upload
    ADD CONSTRAINT upload_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.upload
    ADD CONSTRAINT upload_raw_key_key UNIQUE (raw_key);

ALTER TABLE ONLY public.user_credit
    ADD CONSTRAINT user_credit_pkey PRIMARY KEY (subject);

CREATE INDEX "account_userId_idx" ON auth.account USING btree ("userId");

CREATE INDEX "session_userId_idx" ON auth.session USING btree ("userId");

CREATE INDEX verification_identifier_idx ON auth.verification USING btree (identifier);

CREATE INDEX ai_task_deadline_idx ON public.ai_task USING btree (deadline_at) WHERE (finished_at IS NULL);

CREATE INDEX ai_task_deleted_idx ON public.ai_task USING btree (id) WHERE (deleted_at IS NOT NULL);

CREATE INDEX ai_task_favourite_idx ON public.ai_task USING btree (user_id, created_at DESC, id DESC) WHERE ((favourite_at IS NOT NULL) AND (deleted_at IS NULL));

CREATE INDEX ai_task_history_idx ON public.ai_task USING btree (user_id, created_at DESC, id DESC) WHERE (deleted_at IS NULL);

CREATE INDEX ai_task_live_idx ON public.ai_task USING btree (user_id, created_at DESC, id DESC) WHERE (finished_at IS NULL);

CREATE INDEX ai_task_reference_idx ON public.ai_task USING btree (reference_upload_id) WHERE (reference_upload_id IS NOT NULL);

CREATE INDEX ai_task_remix_idx ON public.ai_task USING btree (remix_of) WHERE (remix_of IS NOT NULL);

CREATE INDEX ai_task_slot_idx ON public.ai_task USING btree (provider, user_id) WHERE ((admitted_at IS NOT NULL) AND (finished_at IS NULL));

CREATE INDEX ai_task_timed_idx ON public.ai_task USING btree (model, finished_at DESC) WHERE ((admitted_at IS NOT NULL) AND (finished_at IS NOT NULL) AND (failure_code IS NULL));

CREATE INDEX ai_task_turn_idx ON public.ai_task USING btree (provider, user_id, background, created_at, id) INCLUDE (model) WHERE ((admitted_at IS NULL) AND (finished_at IS NULL));

CREATE INDEX api_key_user_idx ON public.api_key USING btree (user_id, created_at DESC);

CREATE INDEX auth_mail_created_idx ON public.auth_mail USING btree (created_at);

CREATE INDEX auth_mail_user_idx ON public.auth_mail USING btree (user_id);

CREATE INDEX credit_grant_due_idx ON public.credit_grant USING btree (expires_at) WHERE (remaining > 0);

CREATE INDEX credit_grant_live_idx ON public.credit_grant USING btree (subject, priority, expires_at, created_at, id) WHERE ((remaining > 0) OR (held > 0));

CREATE INDEX credit_grant_subject_idx ON public.credit_grant USING btree (subject);

CREATE INDEX credit_hold_open_idx ON public.credit_hold USING btree (auto_refund_at) WHERE (closed_at IS NULL);

CREATE INDEX credit_hold_subject_idx ON public.credit_hold USING btree (subject);

CREATE INDEX idempotency_record_created_idx ON public.idempotency_record USING btree (created_at);

CREATE INDEX inbox_event_body_idx ON public.inbox_event USING btree (received_at) WHERE (body IS NOT NULL);

CREATE INDEX inbox_event_received_idx ON public.inbox_event USING btree (received_at);

CREATE INDEX inbox_event_unworked_idx ON public.inbox_event USING btree (source, received_at) WHERE (state = 'received'::text);

CREATE INDEX job_audit_at_idx ON public.job_audit USING btree (at);

CREATE INDEX job_audit_ids_idx ON public.job_audit USING gin (job_ids);

CREATE UNIQUE INDEX job_audit_request_idx ON public.job_audit USING btree (request) WHERE (request IS NOT NULL);

CREATE INDEX job_dead_idx ON public.job USING btree (died_at) WHERE (state = 'dead'::text);

CREATE UNIQUE INDEX job_key_idx ON public.job USING btree (kind, dedupe_key) WHERE ((state <> 'dead'::text) AND (NOT canceling) AND (dedupe_key IS NOT NULL));

CREATE INDEX job_lease_idx ON public.job USING btree (lease_until) WHERE (state = 'running'::text);

CREATE INDEX job_overdue_idx ON public.job USING btree (queue, run_at) WHERE (state = ANY (ARRAY['pushed'::text, 'retrying'::text]));

CREATE INDEX job_staged_idx ON public.job USING btree (run_at) WHERE (state = 'staged'::text);

CREATE INDEX ledger_posting_grant_idx ON public.ledger_posting USING btree (grant_id);

CREATE INDEX ledger_txn_task_idx ON public.ledger_txn USING btree (task_id) WHERE (task_id IS NOT NULL);

CREATE INDEX object_sweep_finished_idx ON public.object_sweep USING btree (finished_at);

CREATE UNIQUE INDEX payment_change_open_idx ON public.payment_change USING btree (subscription_id) WHERE (status = 'asked'::text);

CREATE INDEX payment_change_subscription_idx ON public.payment_change USING btree (subscription_id, created_at);

CREATE INDEX payment_checkout_expiry_idx ON public.payment_checkout USING btree (expires_at) WHERE (status = ANY (ARRAY['creating'::text, 'open'::text]));

CREATE INDEX payment_checkout_look_idx ON public.payment_checkout USING btree (next_look_at) WHERE (next_look_at IS NOT NULL);

CREATE UNIQUE INDEX payment_checkout_plan_idx ON public.payment_checkout USING btree (subject) WHERE (plan AND (status = ANY (ARRAY['creating'::text, 'open'::text])));

CREATE INDEX payment_checkout_subject_idx ON public.payment_checkout USING btree (subject, created_at DESC);

CREATE INDEX payment_difference_found_idx ON public.payment_difference USING btree (found_at DESC);

CREATE INDEX payment_difference_open_idx ON public.payment_difference USING btree (found_at) WHERE (status = 'open'::text);

CREATE INDEX payment_order_credits_idx ON public.payment_order USING btree (next_credits_at) WHERE (next_credits_at IS NOT NULL);

CREATE INDEX payment_order_look_idx ON public.payment_order USING btree (next_look_at) WHERE (next_look_at IS NOT NULL);

CREATE UNIQUE INDEX payment_order_pack_idx ON public.payment_order USING btree (order_id) WHERE (kind = 'pack'::text);

CREATE INDEX payment_order_subject_idx ON public.payment_order USING btree (subject, paid_at DESC);

CREATE INDEX payment_order_subscription_idx ON public.payment_order USING btree (subscription_id, period_start);

CREATE INDEX payment_plan_until_idx ON public.payment_plan USING btree (until) WHERE (until IS NOT NULL);

CREATE INDEX payment_refund_order_idx ON public.payment_refund USING btree (order_id);

CREATE INDEX payment_refund_status_idx ON public.payment_refund USING btree (status) WHERE (status = ANY (ARRAY['asked'::text, 'sent'::text, 'by_hand'::text]));

CREATE INDEX payment_subscription_look_idx ON public.payment_subscription USING btree (next_look_at) WHERE (next_look_at IS NOT NULL);

CREATE INDEX payment_subscription_subject_idx ON public.payment_subscription USING btree (subject);

CREATE INDEX provider_attempt_lost_idx ON public.provider_attempt USING btree (endpoint) WHERE ((request_id IS NULL) AND (state = ANY (ARRAY['intent'::text, 'unknown'::text])));

CREATE INDEX provider_attempt_owed_idx ON public.provider_attempt USING btree (id) WHERE ((finished_at IS NULL) OR ((request_id IS NOT NULL) AND (erased_at IS NULL)));

CREATE INDEX provider_cost_closed_idx ON public.provider_cost USING btree (closed_at, ended_at);

CREATE INDEX provider_cost_orphan_idx ON public.provider_cost USING btree (ended_at) WHERE (attempt_id IS NULL);

CREATE INDEX upload_deleted_idx ON public.upload USING btree (id) WHERE (deleted_at IS NOT NULL);

CREATE INDEX upload_expired_idx ON public.upload USING btree (expires_at) WHERE (raw_deleted_at IS NULL);

CREATE INDEX upload_needed_idx ON public.upload USING btree (GREATEST(ended_at, last_used_at), id) WHERE ((deleted_at IS NULL) AND (ended_at IS NOT NULL));

CREATE INDEX upload_user_idx ON public.upload USING btree (user_id) WHERE (deleted_at IS NULL);

CREATE TRIGGER end_access AFTER INSERT OR UPDATE OF password ON auth.account FOR EACH ROW EXECUTE FUNCTION auth.end_access();

CREATE TRIGGER forget_links AFTER DELETE ON auth."user" FOR EACH ROW EXECUTE FUNCTION auth.forget_links();

CREATE TRIGGER api_key_expiry BEFORE INSERT OR UPDATE OF expires_at ON public.api_key FOR EACH ROW EXECUTE FUNCTION public.api_key_expiry();

CREATE TRIGGER credit_grant_expiry BEFORE INSERT OR UPDATE OF expires_at ON public.credit_grant FOR EACH ROW EXECUTE FUNCTION public.credit_grant_expiry();

CREATE TRIGGER ledger_posting_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_posting FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();

CREATE CONSTRAINT TRIGGER ledger_posting_follows AFTER INSERT ON public.ledger_posting DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_check();

CREATE TRIGGER ledger_txn_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.ledger_txn FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_refuse();

CREATE CONSTRAINT TRIGGER ledger_txn_follows AFTER INSERT ON public.ledger_txn DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.ledger_check();

CREATE TRIGGER payment_withdrawal_kept BEFORE DELETE OR UPDATE ON public.payment_withdrawal FOR EACH ROW EXECUTE FUNCTION public.withdrawal_refuse();

CREATE TRIGGER payment_withdrawal_whole BEFORE TRUNCATE ON public.payment_withdrawal FOR EACH STATEMENT EXECUTE FUNCTION public.withdrawal_refuse();

CREATE CONSTRAINT TRIGGER user_credit_follows AFTER INSERT OR UPDATE ON public.user_credit DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.user_credit_check();

ALTER TABLE ONLY auth.account
    ADD CONSTRAINT "account_userId_fkey" FOREIGN KEY ("userId") REFERENCES auth."user"(id) ON DELETE CASCADE;

ALTER TABLE ONLY auth.session
    ADD CONSTRAINT "session_userId_fkey" FOREIGN KEY ("userId") REFERENCES auth."user"(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.ai_image
    ADD CONSTRAINT ai_image_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.ai_task(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.ai_task
    ADD CONSTRAINT ai_task_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.generation_user(user_id);

ALTER TABLE ONLY public.billing_subject
    ADD CONSTRAINT billing_subject_subject_fkey FOREIGN KEY (subject) REFERENCES public.user_credit(subject);

ALTER TABLE ONLY public.credit_claw
    ADD CONSTRAINT credit_claw_subject_fkey FOREIGN KEY (subject) REFERENCES public.user_credit(subject);

ALTER TABLE ONLY public.credit_grant
    ADD CONSTRAINT credit_grant_subject_fkey FOREIGN KEY (subject) REFERENCES public.user_credit(subject);

ALTER TABLE ONLY public.credit_hold_allocation
    ADD CONSTRAINT credit_hold_allocation_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES public.credit_grant(id);

ALTER TABLE ONLY public.credit_hold_allocation
    ADD CONSTRAINT credit_hold_allocation_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.credit_hold(task_id);

ALTER TABLE ONLY public.credit_hold
    ADD CONSTRAINT credit_hold_subject_fkey FOREIGN KEY (subject) REFERENCES public.user_credit(subject);

ALTER TABLE ONLY public.generation_event
    ADD CONSTRAINT generation_event_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.ai_task(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.ledger_posting
    ADD CONSTRAINT ledger_posting_grant_id_fkey FOREIGN KEY (grant_id) REFERENCES public.credit_grant(id);

ALTER TABLE ONLY public.ledger_posting
    ADD CONSTRAINT ledger_posting_subject_sequence_fkey FOREIGN KEY (subject, sequence) REFERENCES public.ledger_txn(subject, sequence);

ALTER TABLE ONLY public.ledger_txn
    ADD CONSTRAINT ledger_txn_subject_fkey FOREIGN KEY (subject) REFERENCES public.user_credit(subject);

ALTER TABLE ONLY public.payment_change
    ADD CONSTRAINT payment_change_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES public.payment_subscription(id);

ALTER TABLE ONLY public.payment_order
    ADD CONSTRAINT payment_order_change_id_fkey FOREIGN KEY (change_id) REFERENCES public.payment_change(id);

ALTER TABLE ONLY public.payment_order
    ADD CONSTRAINT payment_order_checkout_id_fkey FOREIGN KEY (checkout_id) REFERENCES public.payment_checkout(id);

ALTER TABLE ONLY public.payment_order
    ADD CONSTRAINT payment_order_subscription_id_fkey FOREIGN KEY (subscription_id) REFERENCES public.payment_subscription(id);

ALTER TABLE ONLY public.payment_refund
    ADD CONSTRAINT payment_refund_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.payment_order(id);

ALTER TABLE ONLY public.payment_subscription
    ADD CONSTRAINT payment_subscription_checkout_id_fkey FOREIGN KEY (checkout_id) REFERENCES public.payment_checkout(id);

ALTER TABLE ONLY public.payment_withdrawal
    ADD CONSTRAINT payment_withdrawal_order_id_fkey FOREIGN KEY (order_id) REFERENCES public.payment_order(id);

ALTER TABLE ONLY public.payment_withdrawal
    ADD CONSTRAINT payment_withdrawal_refund_id_fkey FOREIGN KEY (refund_id) REFERENCES public.payment_refund(id);

ALTER TABLE ONLY public.provider_attempt
    ADD CONSTRAINT provider_attempt_task_id_fkey FOREIGN KEY (task_id) REFERENCES public.ai_task(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.provider_cost
    ADD CONSTRAINT provider_cost_attempt_id_fkey FOREIGN KEY (attempt_id) REFERENCES public.provider_attempt(id) ON DELETE CASCADE;

ALTER TABLE ONLY public.upload
    ADD CONSTRAINT upload_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.generation_user(user_id);

GRANT USAGE ON SCHEMA auth TO imagerun_app;
GRANT USAGE ON SCHEMA auth TO imagerun_auth;
GRANT USAGE ON SCHEMA auth TO imagerun_api;
GRANT USAGE ON SCHEMA auth TO imagerun_worker;
GRANT USAGE ON SCHEMA auth TO imagerun_operator;

GRANT USAGE ON SCHEMA public TO imagerun_app;
GRANT USAGE ON SCHEMA public TO imagerun_auth;
GRANT USAGE ON SCHEMA public TO imagerun_api;
GRANT USAGE ON SCHEMA public TO imagerun_worker;
GRANT USAGE ON SCHEMA public TO imagerun_scheduler;
GRANT USAGE ON SCHEMA public TO imagerun_operator;
GRANT USAGE ON SCHEMA public TO imagerun_mailer;

REVOKE ALL ON FUNCTION auth.purge(most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION auth.purge(most integer) TO imagerun_app;
GRANT ALL ON FUNCTION auth.purge(most integer) TO imagerun_worker;

REVOKE ALL ON FUNCTION public.account_address(who uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.account_address(who uuid) TO imagerun_api;
GRANT ALL ON FUNCTION public.account_address(who uuid) TO imagerun_app;

REVOKE ALL ON FUNCTION public.job_audit_purge(most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.job_audit_purge(most integer) TO imagerun_app;
GRANT ALL ON FUNCTION public.job_audit_purge(most integer) TO imagerun_worker;

REVOKE ALL ON FUNCTION public.payment_events_about(names text[], most integer) FROM PUBLIC;
GRANT ALL ON FUNCTION public.payment_events_about(names text[], most integer) TO imagerun_operator;
GRANT ALL ON FUNCTION public.payment_events_about(names text[], most integer) TO imagerun_app;

REVOKE ALL ON FUNCTION public.payment_subjects_of_address(digest bytea) FROM PUBLIC;
GRANT ALL ON FUNCTION public.payment_subjects_of_address(digest bytea) TO imagerun_operator;
GRANT ALL ON FUNCTION public.payment_subjects_of_address(digest bytea) TO imagerun_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE auth."user" TO imagerun_auth;

GRANT SELECT(id) ON TABLE auth."user" TO imagerun_app;
GRANT SELECT(id) ON TABLE auth."user" TO imagerun_api;
GRANT SELECT(id) ON TABLE auth."user" TO imagerun_operator;

GRANT SELECT("emailVerified") ON TABLE auth."user" TO imagerun_app;
GRANT SELECT("emailVerified") ON TABLE auth."user" TO imagerun_api;

GRANT SELECT(role) ON TABLE auth."user" TO imagerun_app;
GRANT SELECT(role) ON TABLE auth."user" TO imagerun_api;

GRANT SELECT(banned) ON TABLE auth."user" TO imagerun_app;
GRANT SELECT(banned) ON TABLE auth."user" TO imagerun_api;

GRANT SELECT("banExpires") ON TABLE auth."user" TO imagerun_app;
GRANT SELECT("banExpires") ON TABLE auth."user" TO imagerun_api;

REVOKE ALL ON FUNCTION public.verified_address_digest(who uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.verified_address_digest(who uuid) TO imagerun_app;
GRANT ALL ON FUNCTION public.verified_address_digest(who uuid) TO imagerun_api;

REVOKE ALL ON FUNCTION public.verified_mailbox_digest(who uuid) FROM PUBLIC;
GRANT ALL ON FUNCTION public.verified_mailbox_digest(who uuid) TO imagerun_app;
GRANT ALL ON FUNCTION public.verified_mailbox_digest(who uuid) TO imagerun_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE auth.account TO imagerun_auth;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE auth."rateLimit" TO imagerun_auth;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE auth.session TO imagerun_auth;

GRANT SELECT(id) ON TABLE auth.session TO imagerun_app;
GRANT SELECT(id) ON TABLE auth.session TO imagerun_api;

GRANT SELECT("expiresAt") ON TABLE auth.session TO imagerun_app;
GRANT SELECT("expiresAt") ON TABLE auth.session TO imagerun_api;

GRANT SELECT(token) ON TABLE auth.session TO imagerun_app;
GRANT SELECT(token) ON TABLE auth.session TO imagerun_api;

GRANT SELECT("createdAt") ON TABLE auth.session TO imagerun_app;
GRANT SELECT("createdAt") ON TABLE auth.session TO imagerun_api;

GRANT SELECT("userId") ON TABLE auth.session TO imagerun_app;
GRANT SELECT("userId") ON TABLE auth.session TO imagerun_api;

GRANT SELECT("impersonatedBy") ON TABLE auth.session TO imagerun_app;
GRANT SELECT("impersonatedBy") ON TABLE auth.session TO imagerun_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE auth.verification TO imagerun_auth;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.admission_clock TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.admission_clock TO imagerun_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.admission_clock TO imagerun_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE public.admission_clock TO imagerun_scheduler;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.admission_turn TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.admission_turn TO imagerun_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.admission_turn TO imagerun_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE public.admission_turn TO imagerun_scheduler;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ai_image TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.ai_image TO imagerun_api;
GRANT SELECT,UPDATE ON TABLE public.ai_image TO imagerun_worker;
GRANT SELECT,UPDATE ON TABLE public.ai_image TO imagerun_scheduler;
GRANT SELECT,UPDATE ON TABLE public.ai_image TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.ai_task TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.ai_task TO imagerun_api;
GRANT SELECT,DELETE,UPDATE ON TABLE public.ai_task TO imagerun_worker;
GRANT SELECT,UPDATE ON TABLE public.ai_task TO imagerun_scheduler;
GRANT SELECT,UPDATE ON TABLE public.ai_task TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.api_key TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.api_key TO imagerun_api;

GRANT SELECT(id) ON TABLE public.api_key TO imagerun_operator;

GRANT SELECT(user_id) ON TABLE public.api_key TO imagerun_operator;

GRANT INSERT ON TABLE public.auth_mail TO imagerun_auth;
GRANT SELECT,DELETE ON TABLE public.auth_mail TO imagerun_mailer;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.billing_subject TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.billing_subject TO imagerun_api;
GRANT SELECT,INSERT ON TABLE public.billing_subject TO imagerun_operator;
GRANT SELECT ON TABLE public.billing_subject TO imagerun_worker;

GRANT SELECT,INSERT,DELETE ON TABLE public.credit_audit TO imagerun_app;
GRANT SELECT ON TABLE public.credit_audit TO imagerun_scheduler;
GRANT SELECT,INSERT,DELETE ON TABLE public.credit_audit TO imagerun_worker;
GRANT SELECT,INSERT,DELETE ON TABLE public.credit_audit TO imagerun_operator;

GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_claw TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_claw TO imagerun_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_claw TO imagerun_worker;
GRANT SELECT ON TABLE public.credit_claw TO imagerun_operator;

GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_grant TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_grant TO imagerun_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_grant TO imagerun_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_grant TO imagerun_scheduler;
GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_grant TO imagerun_operator;

GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_hold TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_hold TO imagerun_api;
GRANT SELECT,UPDATE ON TABLE public.credit_hold TO imagerun_worker;
GRANT SELECT,UPDATE ON TABLE public.credit_hold TO imagerun_scheduler;
GRANT SELECT,UPDATE ON TABLE public.credit_hold TO imagerun_operator;

GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_hold_allocation TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.credit_hold_allocation TO imagerun_api;
GRANT SELECT,UPDATE ON TABLE public.credit_hold_allocation TO imagerun_worker;
GRANT SELECT,UPDATE ON TABLE public.credit_hold_allocation TO imagerun_scheduler;
GRANT SELECT,UPDATE ON TABLE public.credit_hold_allocation TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.generation_event TO imagerun_app;
GRANT SELECT,INSERT ON TABLE public.generation_event TO imagerun_api;
GRANT SELECT,INSERT ON TABLE public.generation_event TO imagerun_worker;
GRANT SELECT,INSERT ON TABLE public.generation_event TO imagerun_scheduler;
GRANT SELECT,INSERT ON TABLE public.generation_event TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.generation_tombstone TO imagerun_app;
GRANT SELECT,INSERT ON TABLE public.generation_tombstone TO imagerun_api;
GRANT SELECT,DELETE ON TABLE public.generation_tombstone TO imagerun_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.generation_user TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.generation_user TO imagerun_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.generation_user TO imagerun_worker;
GRANT SELECT,UPDATE ON TABLE public.generation_user TO imagerun_scheduler;
GRANT SELECT,UPDATE ON TABLE public.generation_user TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency_record TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.idempotency_record TO imagerun_api;
GRANT SELECT,DELETE ON TABLE public.idempotency_record TO imagerun_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.inbox_event TO imagerun_app;
GRANT INSERT ON TABLE public.inbox_event TO imagerun_api;
GRANT SELECT,DELETE,UPDATE ON TABLE public.inbox_event TO imagerun_worker;
GRANT UPDATE ON TABLE public.inbox_event TO imagerun_operator;

GRANT SELECT(id) ON TABLE public.inbox_event TO imagerun_api;
GRANT SELECT(id) ON TABLE public.inbox_event TO imagerun_operator;

GRANT SELECT(source) ON TABLE public.inbox_event TO imagerun_api;
GRANT SELECT(source) ON TABLE public.inbox_event TO imagerun_operator;
GRANT SELECT(source) ON TABLE public.inbox_event TO imagerun_scheduler;

GRANT SELECT(event_id) ON TABLE public.inbox_event TO imagerun_api;
GRANT SELECT(event_id) ON TABLE public.inbox_event TO imagerun_operator;

GRANT SELECT(event_type) ON TABLE public.inbox_event TO imagerun_operator;

GRANT SELECT(state) ON TABLE public.inbox_event TO imagerun_operator;
GRANT SELECT(state) ON TABLE public.inbox_event TO imagerun_scheduler;

GRANT SELECT(code) ON TABLE public.inbox_event TO imagerun_operator;

GRANT SELECT(received_at) ON TABLE public.inbox_event TO imagerun_operator;
GRANT SELECT(received_at) ON TABLE public.inbox_event TO imagerun_scheduler;

GRANT SELECT(ended_at) ON TABLE public.inbox_event TO imagerun_operator;

GRANT SELECT(body_erased_at) ON TABLE public.inbox_event TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.job TO imagerun_scheduler;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job TO imagerun_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.job TO imagerun_operator;

GRANT SELECT,INSERT ON TABLE public.job_audit TO imagerun_app;
GRANT SELECT,INSERT ON TABLE public.job_audit TO imagerun_api;
GRANT SELECT,INSERT ON TABLE public.job_audit TO imagerun_operator;
GRANT INSERT ON TABLE public.job_audit TO imagerun_scheduler;

GRANT USAGE ON SEQUENCE public.job_audit_id_seq TO imagerun_app;

GRANT SELECT,INSERT ON TABLE public.ledger_posting TO imagerun_app;
GRANT SELECT,INSERT ON TABLE public.ledger_posting TO imagerun_api;
GRANT SELECT,INSERT ON TABLE public.ledger_posting TO imagerun_worker;
GRANT SELECT,INSERT ON TABLE public.ledger_posting TO imagerun_scheduler;
GRANT SELECT,INSERT ON TABLE public.ledger_posting TO imagerun_operator;

GRANT SELECT,INSERT ON TABLE public.ledger_txn TO imagerun_app;
GRANT SELECT,INSERT ON TABLE public.ledger_txn TO imagerun_api;
GRANT SELECT,INSERT ON TABLE public.ledger_txn TO imagerun_worker;
GRANT SELECT,INSERT ON TABLE public.ledger_txn TO imagerun_scheduler;
GRANT SELECT,INSERT ON TABLE public.ledger_txn TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.model_breaker TO imagerun_app;
GRANT SELECT ON TABLE public.model_breaker TO imagerun_api;
GRANT SELECT ON TABLE public.model_breaker TO imagerun_scheduler;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.model_breaker TO imagerun_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.object_sweep TO imagerun_app;
GRANT SELECT ON TABLE public.object_sweep TO imagerun_scheduler;
GRANT SELECT,INSERT,UPDATE ON TABLE public.object_sweep TO imagerun_operator;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.object_sweep TO imagerun_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_change TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_change TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_change TO imagerun_worker;
GRANT SELECT ON TABLE public.payment_change TO imagerun_operator;
GRANT SELECT ON TABLE public.payment_change TO imagerun_scheduler;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_checkout TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_checkout TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_checkout TO imagerun_worker;
GRANT UPDATE ON TABLE public.payment_checkout TO imagerun_operator;
GRANT SELECT ON TABLE public.payment_checkout TO imagerun_scheduler;

GRANT SELECT(id) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(subject) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(product_id) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(plan) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(currency) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(amount) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(status) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(vendor_id) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(waived_at) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(created_at) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(expires_at) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(ended_at) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(hints) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT(next_look_at) ON TABLE public.payment_checkout TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_difference TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_difference TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_difference TO imagerun_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_difference TO imagerun_operator;
GRANT SELECT ON TABLE public.payment_difference TO imagerun_scheduler;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_order TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_order TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_order TO imagerun_worker;
GRANT UPDATE ON TABLE public.payment_order TO imagerun_operator;
GRANT SELECT ON TABLE public.payment_order TO imagerun_scheduler;

GRANT SELECT(id) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(subject) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(kind) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(product_id) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(checkout_id) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(subscription_id) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(order_id) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(transaction_id) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(customer_mask) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(currency) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(net) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(tax) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(paid) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(paid_at) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(period_start) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(period_end) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(change_id) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(credits_each) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(months_given) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(credits) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(refunded) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(disputed) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(refund_pending) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(next_credits_at) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(hints) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(next_look_at) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT(created_at) ON TABLE public.payment_order TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_plan TO imagerun_app;
GRANT SELECT ON TABLE public.payment_plan TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_plan TO imagerun_worker;
GRANT SELECT ON TABLE public.payment_plan TO imagerun_operator;
GRANT SELECT ON TABLE public.payment_plan TO imagerun_scheduler;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_refund TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_refund TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_refund TO imagerun_worker;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_refund TO imagerun_operator;
GRANT SELECT ON TABLE public.payment_refund TO imagerun_scheduler;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_scan TO imagerun_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_scan TO imagerun_worker;
GRANT SELECT ON TABLE public.payment_scan TO imagerun_operator;
GRANT SELECT ON TABLE public.payment_scan TO imagerun_scheduler;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_subscription TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.payment_subscription TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_subscription TO imagerun_worker;
GRANT UPDATE ON TABLE public.payment_subscription TO imagerun_operator;
GRANT SELECT ON TABLE public.payment_subscription TO imagerun_scheduler;

GRANT SELECT(id) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(vendor_id) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(subject) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(checkout_id) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(product_id) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(status) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(period_start) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(period_end) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(canceled_at) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(vendor_updated_at) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(created_at) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(looked_at) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(hints) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT(next_look_at) ON TABLE public.payment_subscription TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.payment_withdrawal TO imagerun_app;
GRANT SELECT,INSERT ON TABLE public.payment_withdrawal TO imagerun_api;
GRANT SELECT,DELETE ON TABLE public.payment_withdrawal TO imagerun_worker;
GRANT SELECT ON TABLE public.payment_withdrawal TO imagerun_operator;
GRANT SELECT ON TABLE public.payment_withdrawal TO imagerun_scheduler;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_attempt TO imagerun_app;
GRANT SELECT,UPDATE ON TABLE public.provider_attempt TO imagerun_api;
GRANT SELECT ON TABLE public.provider_attempt TO imagerun_scheduler;
GRANT SELECT,INSERT,UPDATE ON TABLE public.provider_attempt TO imagerun_worker;
GRANT SELECT ON TABLE public.provider_attempt TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_attempt_tombstone TO imagerun_app;
GRANT SELECT,UPDATE ON TABLE public.provider_attempt_tombstone TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_attempt_tombstone TO imagerun_worker;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_bill TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.provider_bill TO imagerun_worker;
GRANT SELECT ON TABLE public.provider_bill TO imagerun_scheduler;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_cost TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.provider_cost TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.provider_cost TO imagerun_worker;
GRANT SELECT ON TABLE public.provider_cost TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.queue_pause TO imagerun_app;
GRANT SELECT ON TABLE public.queue_pause TO imagerun_worker;
GRANT SELECT,DELETE ON TABLE public.queue_pause TO imagerun_scheduler;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.queue_pause TO imagerun_api;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.queue_pause TO imagerun_operator;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.schedule TO imagerun_app;
GRANT SELECT ON TABLE public.schedule TO imagerun_api;
GRANT SELECT ON TABLE public.schedule TO imagerun_operator;
GRANT SELECT,INSERT,UPDATE ON TABLE public.schedule TO imagerun_scheduler;

GRANT SELECT,INSERT ON TABLE public.signup_tombstone TO imagerun_app;
GRANT SELECT,INSERT ON TABLE public.signup_tombstone TO imagerun_api;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.upload TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.upload TO imagerun_api;
GRANT SELECT,DELETE,UPDATE ON TABLE public.upload TO imagerun_worker;
GRANT SELECT,UPDATE ON TABLE public.upload TO imagerun_operator;

GRANT SELECT,INSERT,UPDATE ON TABLE public.user_credit TO imagerun_app;
GRANT SELECT,INSERT,UPDATE ON TABLE public.user_credit TO imagerun_api;
GRANT SELECT,INSERT,UPDATE ON TABLE public.user_credit TO imagerun_operator;
GRANT SELECT,UPDATE ON TABLE public.user_credit TO imagerun_worker;
GRANT SELECT,UPDATE ON TABLE public.user_credit TO imagerun_scheduler;

ALTER DEFAULT PRIVILEGES FOR ROLE imagerun_owner IN SCHEMA public GRANT USAGE ON SEQUENCES  TO imagerun_app;

ALTER DEFAULT PRIVILEGES FOR ROLE imagerun_owner IN SCHEMA public GRANT SELECT,INSERT,DELETE,UPDATE ON TABLES  TO imagerun_app;
