package sweep_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation/history"
	"imagerun/internal/redact"
	"imagerun/internal/storage"
	"imagerun/internal/storage/r2"
	"imagerun/internal/storage/sweep"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// bundle is a database and a bucket of the test's own, and a sweeper a week later: everything
// that is there by now is beyond every grace.
type bundle struct {
	*sweep.Sweeper

	pool   *pgxpool.Pool
	bucket *hooked
	store  devtest.Bucket
	images *source
	ahead  time.Duration
	user   uuid.UUID
	ref    string
}

func setup(t *testing.T) *bundle {
	t.Helper()

	b := setupOn(t, devtest.Postgres(t), devtest.S3(t))
	b.addUser(t)

	return b
}

func (b *bundle) addUser(t *testing.T) {
	t.Helper()

	require.NoError(t, b.pool.QueryRow(t.Context(),
		`insert into generation_user (user_id) values ($1) returning ref`, b.user).Scan(&b.ref))
}

// setupOn is a bundle on a database and a bucket that are there.
func setupOn(t *testing.T, pool *pgxpool.Pool, store devtest.Bucket) *bundle {
	t.Helper()

	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	t.Cleanup(client.CloseIdleConnections)

	b := &bundle{pool: pool, store: store, ahead: 7 * 24 * time.Hour, user: uuid.New()}
	b.bucket = &hooked{Bucket: r2.New(r2.Options{
		Endpoint: b.store.URL, Region: b.store.Region, AccessKey: b.store.AccessKey,
		SecretKey: redact.NewSecret(b.store.SecretKey), Bucket: b.store.Name, Now: time.Now, HTTPClient: client,
	})}
	now := func() time.Time { return time.Now().Add(b.ahead) }
	b.images = &source{Objects: history.NewObjects(b.pool, now)}
	b.Sweeper = sweep.New(b.bucket, now, b.images)

	return b
}

// hooked is a bucket whose calls may be met by a test.
type hooked struct {
	*r2.Bucket

	afters []string // of every page
	page   func() error
	paged  func()
	head   func()
	remove func(keys []string) error
	abort  func() error
}

func (h *hooked) Page(ctx context.Context, after string, limit int) ([]storage.Object, bool, error) {
	h.afters = append(h.afters, after)

	if h.page != nil {
		if err := h.page(); err != nil {
			return nil, false, err
		}
	}

	objects, more, err := h.Bucket.Page(ctx, after, limit)

	if h.paged != nil {
		h.paged()
	}

	return objects, more, err
}

func (h *hooked) Head(ctx context.Context, key string) (storage.Object, error) {
	o, err := h.Bucket.Head(ctx, key)

	if h.head != nil {
		h.head()
	}

	return o, err
}

func (h *hooked) Delete(ctx context.Context, keys ...string) error {
	if h.remove != nil {
		if err := h.remove(keys); err != nil {
			return err
		}
	}

	return h.Bucket.Delete(ctx, keys...)
}

func (h *hooked) AbortMultipart(ctx context.Context, m storage.Multipart) error {
	if h.abort != nil {
		if err := h.abort(); err != nil {
			return err
		}
	}

	return h.Bucket.AbortMultipart(ctx, m)
}

// source is the table of images, whose calls may be met by a test.
type source struct {
	*history.Objects

	page func([]storage.Record) ([]storage.Record, error)
	find func() error
}

func (s *source) Page(ctx context.Context, after string, limit int) ([]storage.Record, error) {
	records, err := s.Objects.Page(ctx, after, limit)
	if s.page != nil && err == nil {
		return s.page(records)
	}

	return records, err
}

func (s *source) Find(ctx context.Context, keys []string) ([]storage.Record, error) {
	if s.find != nil {
		if err := s.find(); err != nil {
			return nil, err
		}
	}

	return s.Objects.Find(ctx, keys)
}

// picture is one image's row and keys.
type picture struct {
	id, task       uuid.UUID
	key, thumbnail string
}

// row inserts a generation of one image.
func (b *bundle) row(t *testing.T, taskStatus, imageStatus string) picture {
	t.Helper()

	p := picture{id: uuid.New(), task: uuid.New()}
	p.key = fmt.Sprintf("u/%s/%s/%s.png", b.ref, p.task, p.id)
	p.thumbnail = fmt.Sprintf("u/%s/%s/%s.thumb.jpg", b.ref, p.task, p.id)

	_, err := b.pool.Exec(t.Context(), `
		with task as (insert into ai_task (id, user_id, provider, status, model, catalogue_hash, prompt, parameters, support_code, deadline_at, finished_at)
			values ($1, $2, 'fal', $3, 'flux-dev', '', '', '{}', $8, now(),
				case when $3 in ('queued', 'submitting', 'running', 'storing') then null else now() end))
		insert into ai_image (id, task_id, index, status, key, thumbnail_key, stored_at)
			values ($4, $1, 0, $5, $6, $7, case when $5 = 'stored' then now() end)`,
		p.task, b.user, taskStatus, p.id, imageStatus, p.key, p.thumbnail, p.task.String())
	require.NoError(t, err)

	return p
}

// put puts objects.
func (b *bundle) put(t *testing.T, keys ...string) {
	t.Helper()

	var wg sync.WaitGroup

	for w := range 8 {
		wg.Go(func() {
			for i := w; i < len(keys); i += 8 {
				if err := b.bucket.Put(t.Context(), keys[i], "image/png", []byte("picture")); err != nil {
					t.Error(err)
				}
			}
		})
	}

	wg.Wait()
}

// whole inserts a stored image and puts its objects.
func (b *bundle) whole(t *testing.T) picture {
	t.Helper()

	p := b.row(t, "succeeded", "stored")
	b.put(t, p.key, p.thumbnail)

	return p
}

// orphan is a key of ours that no row names.
func (b *bundle) orphan() string {
	return fmt.Sprintf("u/%s/%s/%s.png", b.ref, uuid.New(), uuid.New())
}

// keys lists the bucket.
func (b *bundle) keys(t *testing.T) (keys []string) {
	t.Helper()

	require.NoError(t, b.bucket.List(t.Context(), "", func(o storage.Object) bool {
		keys = append(keys, o.Key)

		return true
	}))

	return keys
}

// run sweeps with the usual grace and returns what it found by kind.
func (b *bundle) run(t *testing.T, edits ...func(*sweep.Options)) (sweep.Report, map[sweep.What][]string, error) {
	t.Helper()

	found := map[sweep.What][]string{}
	o := sweep.Options{Grace: sweep.DefaultGrace, Each: func(f sweep.Finding) { found[f.What] = append(found[f.What], f.Key) }}

	for _, edit := range edits {
		edit(&o)
	}

	var r sweep.Report

	err := b.Run(t.Context(), o, &r, nil)

	return r, found, err
}

// lost lists the keys that rows call lost.
func (b *bundle) lost(t *testing.T) (keys []string) {
	t.Helper()

	require.NoError(t, b.pool.QueryRow(t.Context(), `select array(
		select key from ai_image where lost_at is not null union all
		select thumbnail_key from ai_image where thumbnail_lost_at is not null)`).Scan(&keys))

	return keys
}
