package generation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/internal/generation/picture"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
	"imagerun/internal/storage"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// bundle is a service on a database of its own, with a provider and a bucket that do as told.
type bundle struct {
	*generation.Service

	jobs     *queuetest.Jobs
	pool     *pgxpool.Pool
	provider *fakeProvider
	bucket   *fakeBucket
	now      *fakeClock
	user     uuid.UUID
}

func setup(t *testing.T, edits ...func(*generation.Options)) *bundle {
	t.Helper()

	catalogue, err := generation.LoadCatalogue(nil)
	require.NoError(t, err)
	plans, err := generation.LoadPlans(nil)
	require.NoError(t, err)

	b := &bundle{
		pool: devtest.Postgres(t), provider: newFakeProvider(), bucket: &fakeBucket{objects: map[string][]byte{}},
		now: &fakeClock{t: time.Now().UTC().Truncate(time.Microsecond)}, user: uuid.New(),
	}

	registry := queue.NewRegistry(queue.All())
	b.jobs = queuetest.New(t, b.pool, registry)

	options := generation.Options{
		Slots: 4, Deadline: 10 * time.Minute, MaxDeadline: time.Hour, UnknownWait: 90 * time.Second,
		CollectFirst: 30 * time.Second, CollectEvery: time.Minute, PollEvery: time.Second, OutputLifetime: time.Hour,
		CallbackURL: "https://api.example", CallbackSecret: redact.NewSecret("0123456789abcdef0123456789abcdef"),
	}
	for _, edit := range edits {
		edit(&options)
	}

	b.Service = generation.New(generation.Deps{
		Pool: b.pool, Queue: b.jobs.Queue(), Provider: b.provider, Bucket: b.bucket,
		Pictures: picture.NewOpener(picture.Limits{}, 2), Catalogue: catalogue, Plans: plans, Hints: noHints{},
		Log: slog.New(slog.DiscardHandler), Now: b.now.Now, Options: options,
	})
	b.Register(registry)

	return b
}

// submit accepts one generation of the bundle's user.
func (b *bundle) submit(t *testing.T, edits ...func(*generation.Submission)) generation.Generation {
	t.Helper()

	s := generation.Submission{UserID: b.user, Model: "z-image-turbo", Prompt: redact.NewPersonal("a red fox")}
	for _, edit := range edits {
		edit(&s)
	}

	g, _, err := b.Submit(t.Context(), s)
	require.NoError(t, err)
	b.now.add(time.Millisecond) // so that the order of submits is one of times, too

	return g
}

// start submits, admits, and hands to the provider.
func (b *bundle) start(t *testing.T, edits ...func(*generation.Submission)) generation.Generation {
	t.Helper()

	g := b.submit(t, edits...)

	_, err := b.Admit(t.Context(), "fal")
	require.NoError(t, err)
	b.jobs.RunAll(t.Context())

	return b.get(t, g.ID)
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

	b.now.add(d)
	b.jobs.Advance(d)
	b.jobs.RunAll(t.Context())
}

// check verifies what must hold after any scenario: no slot or job leaks, statuses and their
// times agree, the bucket holds exactly the stored images, events are without gaps.
func (b *bundle) check(t *testing.T) {
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
		"callbacks are forgotten with their attempt": `select count(*) from provider_attempt where finished_at is not null and callback is not null`,
	} {
		var n int

		require.NoError(t, b.pool.QueryRow(t.Context(), sql).Scan(&n), name)
		require.Zero(t, n, name)
	}

	var keys []string

	err := b.pool.QueryRow(t.Context(), `select coalesce(array_agg(k order by k), '{}') from (
		select key as k from ai_image where status = 'stored' union all select thumbnail_key from ai_image where status = 'stored') x`).Scan(&keys)
	require.NoError(t, err)
	require.ElementsMatch(t, keys, b.bucket.keys())
}

type noHints struct{}

func (noHints) Hint(string, uuid.UUID, int64) {}

type fakeClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *fakeClock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.t }
func (c *fakeClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// fakeProvider finishes what is submitted when told to. Its functions may be replaced to fail.
type fakeProvider struct {
	mu       sync.Mutex
	requests []providers.Request         // accepted, in order; the id is the index
	done     map[string]providers.Result // by request id
	failed   map[string]error
	canceled map[string]bool
	erased   map[string]bool
	media    map[string][]byte

	submit   func(providers.Request) error // before acceptance
	reply    func() error                  // after acceptance
	download func(url string) ([]byte, error)
	find     func() error
	cancel   func() (providers.CancelOutcome, error)
	erase    func() error
}

func newFakeProvider() *fakeProvider {
	return &fakeProvider{
		done: map[string]providers.Result{}, failed: map[string]error{}, canceled: map[string]bool{},
		erased: map[string]bool{}, media: map[string][]byte{},
	}
}

func (p *fakeProvider) id(i int) string { return "request-" + string(rune('a'+i)) }

func (p *fakeProvider) Submit(_ context.Context, r providers.Request) (providers.Ticket, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.submit != nil {
		if err := p.submit(r); err != nil {
			return providers.Ticket{}, err
		}
	}

	p.requests = append(p.requests, r)
	id := p.id(len(p.requests) - 1)

	if p.reply != nil {
		if err := p.reply(); err != nil {
			return providers.Ticket{}, err
		}
	}

	return providers.Ticket{Endpoint: r.Endpoint, RequestID: id, StatusURL: "https://q.example/s", ResponseURL: "https://q.example/r", CancelURL: "https://q.example/c"}, nil
}

// finish ends the nth request with as many pictures as were asked for.
func (p *fakeProvider) finish(t *testing.T, n int, edit ...func(*providers.Result)) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()

	var in struct {
		Prompt    string `json:"prompt"`
		Seed      int64  `json:"seed"`
		NumImages int    `json:"num_images"`
		ImageSize struct{ Width, Height int }
	}

	require.NoError(t, json.Unmarshal(p.requests[n].Input, &in))

	r := providers.Result{Seed: &in.Seed, Prompt: redact.NewPersonal(in.Prompt)}
	for i := range in.NumImages {
		url := p.id(n) + "/" + string(rune('0'+i))
		p.media[url] = pngOf(64, 48)
		r.Images = append(r.Images, providers.Image{URL: url})
	}

	for _, e := range edit {
		e(&r)
	}

	p.done[p.id(n)] = r
}

func (p *fakeProvider) Poll(_ context.Context, k providers.Ticket) (providers.Status, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	_, done := p.done[k.RequestID]
	if done || p.failed[k.RequestID] != nil {
		return providers.Status{State: providers.StateDone}, nil
	}

	return providers.Status{State: providers.StateRunning}, nil
}

func (p *fakeProvider) Fetch(_ context.Context, k providers.Ticket) (providers.Result, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if err := p.failed[k.RequestID]; err != nil {
		return providers.Result{}, err
	}

	r, ok := p.done[k.RequestID]
	if !ok {
		return r, &providers.Error{Class: providers.NotReady}
	}

	return r, nil
}

func (p *fakeProvider) ParseCallback(b json.RawMessage) (r providers.Result, err error) {
	return r, json.Unmarshal(b, &r)
}

func (p *fakeProvider) Download(_ context.Context, url string, _ int64) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.download != nil {
		return p.download(url)
	}

	b, ok := p.media[url]
	if !ok {
		return nil, &providers.Error{Class: providers.Gone, Status: 404}
	}

	return b, nil
}

func (p *fakeProvider) Cancel(_ context.Context, k providers.Ticket) (providers.CancelOutcome, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.canceled[k.RequestID] = true
	if p.cancel != nil {
		return p.cancel()
	}

	return providers.CancelRemoved, nil
}

func (p *fakeProvider) Find(context.Context, string, time.Time, time.Time) ([]providers.Found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.find != nil {
		if err := p.find(); err != nil {
			return nil, err
		}
	}

	var found []providers.Found

	for i := range p.requests {
		_, done := p.done[p.id(i)]
		done = done || p.failed[p.id(i)] != nil
		found = append(found, providers.Found{RequestID: p.id(i), Done: done})
	}

	return found, nil
}

func (p *fakeProvider) Erase(_ context.Context, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()

	if p.erase != nil {
		if err := p.erase(); err != nil {
			return err
		}
	}

	p.erased[id] = true

	return nil
}

// fakeBucket keeps objects in memory; put may be replaced to fail before or after it happened.
type fakeBucket struct {
	mu      sync.Mutex
	objects map[string][]byte
	before  func(key string) error // of a put: it fails and did not happen
	after   func(key string) error // of a put: it fails but did happen
}

func (b *fakeBucket) Put(_ context.Context, key, _ string, body []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()

	if b.before != nil {
		if err := b.before(key); err != nil {
			return err
		}
	}

	b.objects[key] = body

	if b.after != nil {
		return b.after(key)
	}

	return nil
}

func (b *fakeBucket) Head(_ context.Context, key string) (storage.Object, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	body, ok := b.objects[key]
	if !ok {
		return storage.Object{}, storage.ErrNotFound
	}

	return storage.Object{Key: key, Size: int64(len(body))}, nil
}

func (b *fakeBucket) Delete(_ context.Context, keys ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()

	for _, k := range keys {
		delete(b.objects, k)
	}

	return nil
}

func (b *fakeBucket) List(_ context.Context, _ string, yield func(storage.Object) bool) error {
	for _, k := range b.keys() {
		if !yield(storage.Object{Key: k}) {
			break
		}
	}

	return nil
}

func (b *fakeBucket) SignGet(_ context.Context, key string) (string, time.Time, error) {
	return "https://bucket.example/" + key, time.Now().Add(time.Hour), nil
}

func (b *fakeBucket) keys() []string {
	b.mu.Lock()
	defer b.mu.Unlock()

	return slices.Sorted(maps.Keys(b.objects))
}

func pngOf(w, h int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		img.Set(i%w, i/w, color.RGBA{R: uint8(i), G: uint8(i / w), B: 80, A: 255})
	}

	var b bytes.Buffer
	_ = png.Encode(&b, img)

	return b.Bytes()
}

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
