package generation_test

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock/clocktest"
	"imagerun/internal/credits"
	"imagerun/internal/credits/creditstest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/generation/phases"
	"imagerun/internal/jobs"
	"imagerun/internal/picture"
	"imagerun/internal/plan"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
	"imagerun/internal/user"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// bundle is a service on a database of its own, with a provider and a bucket that do as told.
type bundle struct {
	*phases.Service

	deps     phases.Deps
	jobs     *queuetest.Jobs
	pool     *pgxpool.Pool
	provider *fakeProvider
	bucket   *fakeBucket
	now      *clocktest.Clock
	user     uuid.UUID

	credits    *credits.Ledger
	watches    *fakeWatches
	references fakeReferences
}

func setup(t *testing.T, edits ...func(*generation.Options)) *bundle {
	t.Helper()

	b := setupOn(t, tracedPool(t), edits...)
	b.fund(t, b.user, fortune)

	return b
}

// setupOn is setup on a database that may have been used before, and without a look at the order of locks.
func setupOn(t *testing.T, pool *pgxpool.Pool, edits ...func(*generation.Options)) *bundle {
	t.Helper()

	models, err := catalogue.Load(nil)
	require.NoError(t, err)
	plans, err := plan.Load(nil)
	require.NoError(t, err)

	b := &bundle{
		pool: pool, provider: newFakeProvider(), bucket: &fakeBucket{objects: map[string][]byte{}},
		now: clocktest.New(), user: uuid.New(),
		watches: &fakeWatches{}, references: fakeReferences{},
	}
	b.credits = credits.New(credits.Options{Now: b.now.Now})

	registry := queue.NewRegistry(jobs.Kinds())
	b.jobs = queuetest.New(t, b.pool, registry)

	options := generation.Options{
		Slots: 4, Deadline: 10 * time.Minute, MaxDeadline: time.Hour, UnknownWait: 90 * time.Second,
		CollectFirst: 30 * time.Second, CollectEvery: time.Minute, PollEvery: time.Second, OutputLifetime: time.Hour,
		CallbackURL: "https://api.example", CallbackSecret: redact.NewSecret("0123456789abcdef0123456789abcdef"),
	}
	for _, edit := range edits {
		edit(&options)
	}

	b.deps = phases.Deps{
		Pool: b.pool, Queue: b.jobs.Queue(), Provider: b.provider, Bucket: b.bucket,
		Pictures: picture.NewOpener(picture.Limits{}, 2), Catalogue: models, Plans: plans, Users: user.New(b.pool, plans, b.now.Now), Credits: b.credits, Notifier: noNotifier{}, Watches: b.watches, References: b.references,
		Log: slog.New(slog.DiscardHandler), Now: b.now.Now, Options: options,
	}
	b.Service = phases.New(b.deps)
	b.Register(registry)

	return b
}

// submission is a request of the bundle's user.
func submission(b *bundle, edits ...func(*generation.Submission)) generation.Submission {
	s := generation.Submission{UserID: b.user, Request: catalogue.Request{Model: "z-image-turbo", Prompt: redact.NewPersonal("a red fox")}}
	for _, edit := range edits {
		edit(&s)
	}

	return s
}

// submit accepts one generation of the bundle's user.
func (b *bundle) submit(t *testing.T, edits ...func(*generation.Submission)) generation.Generation {
	t.Helper()

	s := submission(b, edits...)
	if s.UserID != b.user {
		b.fund(t, s.UserID, fortune)
	}

	g, err := b.Submit(t.Context(), s)
	require.NoError(t, err)
	b.now.Move(time.Millisecond) // so that the order of submits is one of times, too

	return g.Generation
}

// fortune is more than any test spends.
const fortune = 1_000_000

// fund gives a user so many credits in all.
func (b *bundle) fund(t *testing.T, user uuid.UUID, n int64) {
	t.Helper()

	b.grant(t, user, credits.Grant{Source: credits.SourcePack, Reference: "creem:" + user.String(), Credits: n})
}

// grant gives a user credits.
func (b *bundle) grant(t *testing.T, user uuid.UUID, g credits.Grant) {
	t.Helper()

	b.ledger(t, func(tx pgx.Tx) (err error) {
		if g.Subject, err = b.credits.Subject(t.Context(), tx, user); err == nil {
			_, err = b.credits.Grant(t.Context(), tx, g)
		}

		return err
	})
}

func (b *bundle) ledger(t *testing.T, do func(tx pgx.Tx) error) {
	t.Helper()
	require.NoError(t, pgx.BeginFunc(t.Context(), b.pool, do))
}

// start submits, admits, and hands to the provider.
func (b *bundle) start(t *testing.T, edits ...func(*generation.Submission)) generation.Generation {
	t.Helper()

	g := b.submit(t, edits...)
	b.admit(t)

	return b.get(t, g.ID)
}

// admit gives out what slots there are and works what is due.
func (b *bundle) admit(t *testing.T) {
	t.Helper()

	_, err := b.Admit(t.Context(), "fal")
	require.NoError(t, err)
	b.jobs.RunAll(t.Context())
}

func (b *bundle) get(t *testing.T, id uuid.UUID) generation.Generation {
	t.Helper()

	g, err := b.Get(t.Context(), b.user, id)
	require.NoError(t, err)

	return g
}

// pass lets time pass, for the service and for its jobs, and works what is due.
func (b *bundle) pass(t *testing.T, d time.Duration) {
	t.Helper()

	b.now.Move(d)
	b.jobs.Advance(d)
	b.jobs.RunAll(t.Context())
}

// check verifies what must hold after any scenario: no slot or job leaks, statuses and their
// times agree, the bucket holds exactly the stored images, events are without gaps.
func (b *bundle) check(t *testing.T) {
	t.Helper()
	b.settled(t)

	var keys []string

	err := b.pool.QueryRow(t.Context(), `select coalesce(array_agg(k order by k), '{}') from (
		select key as k from ai_image where status = 'stored' union all select thumbnail_key from ai_image where status = 'stored') x`).Scan(&keys)
	require.NoError(t, err)
	require.ElementsMatch(t, keys, b.bucket.keys())
}

// settled is the part of check that the database alone answers.
func (b *bundle) settled(t *testing.T) {
	t.Helper()

	for name, sql := range map[string]string{
		"terminal tasks have no pending image": `select count(*) from ai_task t join ai_image i on i.task_id = t.id
			where t.finished_at is not null and i.status = 'pending'`,
		"events are 1…n": `select count(*) from ai_task t where status_sequence <> (select count(*) from generation_event e where e.task_id = t.id)
			or status_sequence <> (select max(sequence) from generation_event e where e.task_id = t.id)`,
		"at most one attempt is open": `select count(*) from (select task_id from provider_attempt where finished_at is null group by 1 having count(*) > 1) x`,
		"an unfinished admitted task has a job": `select count(*) from ai_task t where admitted_at is not null and finished_at is null and not exists (
			select from job j where j.state <> 'dead' and (j.args->>'task_id' = t.id::text or j.args->>'attempt_id' in
				(select a.id::text from provider_attempt a where a.task_id = t.id)))`,
		"what ended holds nothing": `select count(*) from credit_hold h left join ai_task t on t.id = h.task_id
			where h.closed_at is null and (t.id is null or t.finished_at is not null)`,
		"what is under way holds all it may cost": `select count(*) from ai_task t left join credit_hold h on h.task_id = t.id
			where t.finished_at is null and (h.closed_at is not null or h.task_id is null)`,
		"every stored image is paid for, and no other": `select count(*) from ai_image i full join
			(select task_id, image_index from ledger_txn where kind = 'capture' and task_id in (select id from ai_task)) c
			on c.task_id = i.task_id and c.image_index = i.index where (i.status = 'stored') is distinct from (c.task_id is not null)`,
		"callbacks are forgotten with their attempt": `select count(*) from provider_attempt where finished_at is not null and callback is not null`,
	} {
		var n int

		require.NoError(t, b.pool.QueryRow(t.Context(), sql).Scan(&n), name)
		require.Zero(t, n, name)
	}

	creditstest.Check(t, b.pool)
}

type noNotifier struct{}

func (noNotifier) Notify(string, uuid.UUID, int64) {}

// token is the callback token of the nth request.
func (b *bundle) token(n int) string {
	url := b.provider.requests[n].CallbackURL

	return url[len(url)-64:]
}

// callback delivers the provider's notice of the nth request.
func (b *bundle) callback(t *testing.T, n int, id string) {
	t.Helper()
	b.callbackWith(t, n, id, providers.Result{})
}

func (b *bundle) callbackWith(t *testing.T, n int, id string, r providers.Result) {
	t.Helper()

	body, err := json.Marshal(r)
	require.NoError(t, err)
	require.NoError(t, b.ReceiveCallback(t.Context(), b.token(n), providers.Callback{RequestID: id, Body: body}))
}
