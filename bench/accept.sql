with who as (
    select * from person where n = $1
), counter as (
    update generation_user u set event_sequence = event_sequence + 1 from who where u.user_id = who.user_id returning u.event_sequence
), task as (
    insert into ai_task (id, user_id, provider, model, catalogue_hash, prompt, parameters, metadata, support_code, created_at, deadline_at, prices)
    select gen_random_uuid(), who.user_id, 'fal', 'z-image-turbo', '0f3c5a1e9b7d24680f3c5a1e9b7d24680f3c5a1e9b7d24680f3c5a1e9b7d2468',
        'a lighthouse on a cliff at dusk, oil on canvas, heavy brush strokes, warm light in one window',
        '{"aspect_ratio":"3:2","width":1248,"height":832,"quality":"standard","num_images":1,"seed":4503599627370496,"output_format":"png"}', '{}',
        substr(gen_random_uuid()::text, 1, 11), now(), now() + interval '10 minutes', '{"z-image-turbo":1}'
    from who returning id, user_id
), image as (
    insert into ai_image (id, task_id, index, key, thumbnail_key)
    select i.id, task.id, 0, 'u/' || who.ref || '/' || task.id || '/' || i.id || '.png', 'u/' || who.ref || '/' || task.id || '/' || i.id || '.thumb.jpg'
    from who, task, (select gen_random_uuid() as id) i
), event as (
    insert into generation_event (task_id, sequence, status, at, user_id, user_sequence)
    select task.id, 1, 'queued', now(), task.user_id, counter.event_sequence from task, counter
), balance as (
    update user_credit c set version = c.version + 1, available = c.available - 1, held = c.held + 1
    from who where c.subject = who.subject returning c.subject, c.version, c.available, c.held
), spent as (
    update credit_grant g set remaining = g.remaining - 1, held = g.held + 1 from who where g.id = who.grant_id
), hold as (
    insert into credit_hold (task_id, subject, amount, auto_refund_at, created_at)
    select task.id, who.subject, 1, now() + interval '10 minutes', now() from who, task
), allocation as (
    insert into credit_hold_allocation (task_id, n, grant_id, amount) select task.id, 0, who.grant_id, 1 from who, task
), entry as (
    insert into ledger_txn (subject, sequence, kind, business_key, task_id, actor, available, held, debt, created_at)
    select balance.subject, balance.version, 'hold', 'hold:' || task.id, task.id, 'system', balance.available, balance.held, 0, now() from balance, task
), posting as (
    insert into ledger_posting (subject, sequence, account, grant_id, amount)
    select balance.subject, balance.version, p.account, who.grant_id, p.amount
    from who, balance, (values ('available', -1), ('held', 1)) p (account, amount)
)
insert into idempotency_record (user_id, key, fingerprint, resource_id, status)
select task.user_id, task.id::text, sha256(task.id::text::bytea), task.id, 202 from task;
