package upload_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/clock/clocktest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/jobs"
	"imagerun/internal/picture"
	"imagerun/internal/plan"
	"imagerun/internal/postgres"
	"imagerun/internal/redact"
	"imagerun/internal/storage"
	"imagerun/internal/storage/r2"
	"imagerun/internal/upload"
	"imagerun/internal/user"
	"imagerun/queue"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// bundle is a service on a database and a bucket of its own.
type bundle struct {
	*upload.Service

	jobs     *queuetest.Jobs
	pool     *pgxpool.Pool
	bucket   *bucket
	now      *clocktest.Clock
	notified chan uuid.UUID
	user     uuid.UUID
}

func setup(t *testing.T, edits ...func(*upload.Options)) *bundle {
	t.Helper()

	s3 := devtest.S3(t)
	b := &bundle{
		pool: devtest.Postgres(t), now: clocktest.At(clock.System().Truncate(time.Second)), notified: make(chan uuid.UUID, 100), user: uuid.New(),
		bucket: &bucket{Bucket: r2.New(r2.Options{
			Endpoint: s3.URL, Region: s3.Region, AccessKey: s3.AccessKey, SecretKey: redact.NewSecret(s3.SecretKey), Bucket: s3.Name, Now: time.Now,
		})},
	}

	plans, err := plan.Load(nil)
	require.NoError(t, err)

	registry := queue.NewRegistry(jobs.Kinds())
	b.jobs = queuetest.New(t, b.pool, registry)

	options := upload.Options{MaxBytes: 20 << 20, MaxOpen: 50, LinkLife: 15 * time.Minute, KeepUnused: 24 * time.Hour}
	for _, edit := range edits {
		edit(&options)
	}

	b.Service = upload.New(upload.Deps{
		Pool: b.pool, Queue: b.jobs.Queue(), Bucket: b.bucket, Pictures: picture.NewOpener(picture.Limits{}, 2),
		Notifier: notifier(b.notified), Log: slog.New(slog.DiscardHandler), Now: b.now.Now, Options: options,
		Users: user.New(b.pool, plans, b.now.Now),
	})
	b.Register(registry)

	return b
}

type notifier chan uuid.UUID

func (n notifier) Notify(_ string, id uuid.UUID, _ int64) { n <- id }

// pass lets time pass, for the service and for its jobs, and works what is due.
func (b *bundle) pass(t *testing.T, d time.Duration) {
	t.Helper()

	b.now.Move(d)
	b.jobs.Advance(d)
	b.jobs.RunAll(t.Context())
}

// bucket is the real one, whose calls may be made to fail before or after they happened.
type bucket struct {
	storage.Bucket

	mu     sync.Mutex
	before map[string]error // by method: once
	after  map[string]error
}

var errStore = errors.New("the store is away")

func (b *bucket) fail(when *map[string]error, method string) {
	b.mu.Lock()
	defer b.mu.Unlock()

	if *when == nil {
		*when = map[string]error{}
	}

	(*when)[method] = errStore
}

func (b *bucket) once(when *map[string]error, method string) error {
	b.mu.Lock()
	defer b.mu.Unlock()

	err := (*when)[method]
	delete(*when, method)

	return err
}

func (b *bucket) wrap(method string, call func() error) error {
	if err := b.once(&b.before, method); err != nil {
		return err
	}

	if err := call(); err != nil {
		return err
	}

	return b.once(&b.after, method)
}

func (b *bucket) Put(ctx context.Context, key, contentType string, body []byte) error {
	return b.wrap("put", func() error { return b.Bucket.Put(ctx, key, contentType, body) })
}

func (b *bucket) Delete(ctx context.Context, keys ...string) error {
	return b.wrap("delete", func() error { return b.Bucket.Delete(ctx, keys...) })
}

func (b *bucket) Head(ctx context.Context, key string) (o storage.Object, err error) {
	err = b.wrap("head", func() error { o, err = b.Bucket.Head(ctx, key); return err })

	return o, err
}

func (b *bucket) Get(ctx context.Context, key string) (r io.ReadCloser, err error) {
	err = b.wrap("get", func() error { r, err = b.Bucket.Get(ctx, key); return err })

	return r, err
}

// objects reads the whole bucket.
func (b *bucket) objects(t *testing.T) map[string][]byte {
	t.Helper()

	all := map[string][]byte{}

	var keys []string

	require.NoError(t, b.List(t.Context(), "", func(o storage.Object) bool { keys = append(keys, o.Key); return true }))

	for _, k := range keys {
		r, err := b.Bucket.Get(t.Context(), k)
		require.NoError(t, err)

		body, err := io.ReadAll(r)
		require.NoError(t, err)
		require.NoError(t, r.Close())

		all[k] = body
	}

	return all
}

// create makes an upload for a body.
func (b *bundle) create(t *testing.T, contentType string, body []byte) (upload.Upload, upload.Ticket) {
	t.Helper()

	u, ticket, err := b.Create(t.Context(), b.user, upload.Promise{ContentType: contentType, Bytes: int64(len(body))})
	require.NoError(t, err)

	return u, ticket
}

// send puts a body as a browser does.
func send(t testing.TB, url, contentType string, body []byte) int {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", contentType)

	reply, err := (&http.Client{Timeout: 30 * time.Second}).Do(r)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())

	return reply.StatusCode
}

// sent makes an upload and puts its file.
func (b *bundle) sent(t *testing.T, contentType string, body []byte) upload.Upload {
	t.Helper()

	u, ticket := b.create(t, contentType, body)
	require.Equal(t, http.StatusOK, send(t, ticket.URL, contentType, body))

	return u
}

// inspected takes a file all the way.
func (b *bundle) inspected(t *testing.T, contentType string, body []byte) upload.Upload {
	t.Helper()

	u := b.sent(t, contentType, body)

	_, err := b.Complete(t.Context(), b.user, u.ID)
	require.NoError(t, err)
	b.jobs.RunAll(t.Context())

	return b.get(t, u.ID)
}

func (b *bundle) get(t *testing.T, id uuid.UUID) upload.Upload {
	t.Helper()

	u, err := b.Get(t.Context(), b.user, id)
	require.NoError(t, err)

	return u
}

// refer asks for a reference in a transaction of its own.
func (b *bundle) refer(t *testing.T, user, id uuid.UUID) (ref upload.Reference, err error) {
	t.Helper()

	err = postgres.InTx(t.Context(), b.pool, func(tx *postgres.Tx) error {
		ref, err = b.UseReference(t.Context(), tx, user, id)

		return err
	})

	return ref, err
}

func (b *bundle) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, b.pool.QueryRow(t.Context(), sql, args...).Scan(&n))

	return n
}

// check demands that the bucket holds what rows say, and that no job is left.
func (b *bundle) check(t *testing.T) {
	t.Helper()

	var want []string

	require.NoError(t, b.pool.QueryRow(t.Context(), `select coalesce(array_agg(key), '{}') from upload where key is not null and deleted_at is null`).Scan(&want))

	got := []string{}
	for k := range b.bucket.objects(t) {
		got = append(got, k)
	}

	require.ElementsMatch(t, want, got)
	require.Empty(t, b.jobs.Pending())
	require.Empty(t, b.jobs.Dead())
}

func gradient(w, h int) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetNRGBA(x, y, color.NRGBA{R: uint8(x * 7), G: uint8(y * 5), B: uint8(x ^ y), A: 255})
		}
	}

	return img
}

func pngOf(w, h int) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, gradient(w, h))

	return b.Bytes()
}

func jpegOf(w, h int) []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, gradient(w, h), nil)

	return b.Bytes()
}
