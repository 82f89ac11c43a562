package generation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
	"imagerun/internal/storage"
)

// fakeProvider finishes what is submitted when told to. Its functions may be replaced to fail.
type fakeProvider struct {
	mu       sync.Mutex
	prefix   string                      // of its ids
	requests []providers.Request         // accepted, in order; the id is the index
	done     map[string]providers.Result // by request id
	failed   map[string]error
	rest     *providers.Result // what every request ends with that was not finished or failed
	failAll  error             // what every request ends with that was not finished before
	canceled map[string]bool
	erased   map[string]bool
	media    map[string][]byte

	submit   func(providers.Request) error // before acceptance
	reply    func() error                  // after acceptance
	download func(url string) ([]byte, error)
	find     func() error
	window   [2]time.Time            // of the last search
	poll     func() providers.Status // of a request that is not done
	forgot   bool                    // it knows none of its requests
	cancel   func() (providers.CancelOutcome, error)
	erase    func() error
}

func newFakeProvider() *fakeProvider {
	return &fakeProvider{
		prefix: "request-",
		done:   map[string]providers.Result{}, failed: map[string]error{}, canceled: map[string]bool{},
		erased: map[string]bool{}, media: map[string][]byte{},
	}
}

func (p *fakeProvider) id(i int) string { return p.prefix + string(rune('a'+i)) }

// asked is how many requests were accepted.
func (p *fakeProvider) asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()

	return len(p.requests)
}

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

	if p.forgot {
		return providers.Status{}, &providers.Error{Class: providers.Gone, Code: string(generation.FailureResultExpired), Status: 404}
	}

	_, done := p.done[k.RequestID]
	if done || p.failed[k.RequestID] != nil || p.failAll != nil || p.rest != nil {
		return providers.Status{State: providers.StateDone}, nil
	}

	if p.poll != nil {
		return p.poll(), nil
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
	if !ok && p.failAll != nil {
		return r, p.failAll
	}

	if !ok && p.rest != nil {
		return *p.rest, nil
	}

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

func (p *fakeProvider) Find(_ context.Context, _ string, from, to time.Time) ([]providers.Found, error) {
	p.mu.Lock()
	defer p.mu.Unlock()

	p.window = [2]time.Time{from, to}

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
	storage.Bucket // nil: what generations do not need of it

	mu      sync.Mutex
	objects map[string][]byte
	before  func(key string) error // of a put: it fails and did not happen
	after   func(key string) error // of a put: it fails but did happen
	deleted func()                 // after a deletion
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

func (b *fakeBucket) Get(_ context.Context, key string) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()

	body, ok := b.objects[key]
	if !ok {
		return nil, storage.ErrNotFound
	}

	return io.NopCloser(bytes.NewReader(body)), nil
}

func (b *fakeBucket) Delete(_ context.Context, keys ...string) error {
	b.mu.Lock()
	defer b.mu.Unlock()

	for _, k := range keys {
		delete(b.objects, k)
	}

	if b.deleted != nil {
		b.deleted()
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

// fakeWatches has one look, which lasts.
type fakeWatches struct {
	looking atomic.Bool
	forgets bool // each look is a new one
}

func (w *fakeWatches) Watch(_ context.Context, ids ...uuid.UUID) ([]uuid.UUID, error) {
	if w.looking.Swap(true) && !w.forgets {
		return nil, nil
	}

	return ids, nil
}

func (w *fakeWatches) Watched(context.Context, uuid.UUID) bool { return w.looking.Load() }

// fakeReferences are the uploads there are, by id; a fault is what asking for it answers.
type fakeReferences map[uuid.UUID]any

func (r fakeReferences) UseReference(ctx context.Context, tx pgx.Tx, user, id uuid.UUID) (generation.Reference, error) {
	return r.FindReference(ctx, tx, user, id)
}

func (r fakeReferences) FindReference(_ context.Context, _ pgx.Tx, _, id uuid.UUID) (generation.Reference, error) {
	switch v := r[id].(type) {
	case generation.Reference:
		return v, nil
	case error:
		return generation.Reference{}, v
	default:
		return generation.Reference{}, generation.ErrNotFound
	}
}

func (r fakeReferences) Link(_ context.Context, key string, ttl time.Duration) (string, error) {
	return fmt.Sprintf("https://bucket.example/%s?for=%s", key, ttl.Round(time.Minute)), nil
}

func prompt(text string) redact.Personal { return redact.NewPersonal(text) }
