package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/idempotency"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
	"imagerun/internal/upload"
)

// fakes are the services behind the edge. A function that a test has not set must not be called.
type fakes struct {
	t *testing.T

	submit func(s generation.Submission) (generation.Generation, *idempotency.Record, error)
	many   func(userID uuid.UUID, subs []generation.Submission) []generation.Outcome
	known  map[string]bool // keys of requests that were accepted before
	get    func(userID, id uuid.UUID) (generation.Generation, error)
	list   func(userID uuid.UUID, f generation.Filter) (generation.Page, error)
	cancel func(userID, id uuid.UUID) (generation.Generation, error)
	remove func(userID, id uuid.UUID) error
	events func(userID, id uuid.UUID, after int64) ([]generation.Event, error)
	models func() []catalogue.Model

	degraded map[string]time.Time
	create   func(userID uuid.UUID, name string, scopes []auth.Scope, expires *time.Time) (apikey.Key, redact.Secret, error)
	keys     func(userID uuid.UUID) ([]apikey.Key, error)
	revoke   func(userID, id uuid.UUID) error
	verify   func(header http.Header, body []byte) (providers.Callback, error)
	room     func(userID uuid.UUID, p upload.Promise) (upload.Upload, upload.Ticket, error)
	upload   func(userID, id uuid.UUID) (upload.Upload, error)
	finish   func(userID, id uuid.UUID) (upload.Upload, error)
	discard  func(userID, id uuid.UUID) error
	receive  func(token string, cb providers.Callback) error

	estimate  func(s generation.Submission) (generation.Estimate, error)
	account   func(userID uuid.UUID) (credits.Account, error)
	entries   func(userID uuid.UUID, before int64, most int) ([]credits.Entry, error)
	remix     func(id uuid.UUID, s generation.Submission, sameSeed bool) (generation.Generation, *idempotency.Record, error)
	favourite func(userID, id uuid.UUID, favourite bool) (generation.Generation, error)
	removeAll func(userID uuid.UUID, ids []uuid.UUID) ([]generation.Deletion, error)
	cancelAll func(userID uuid.UUID, ids []uuid.UUID) ([]generation.Cancellation, error)
	usage     func(userID uuid.UUID) (generation.Usage, error)
	album     func(userID uuid.UUID, ids []uuid.UUID) (generation.Album, error)
	open      func(p generation.Picture) (io.ReadCloser, error)
	overview  func(userID uuid.UUID) (generation.Overview, error)
	resumable func(userID uuid.UUID, after int64) (bool, error)
	changes   func(userID uuid.UUID, after int64) ([]generation.Change, error)

	cancelWaiting func(userID uuid.UUID) (generation.CanceledWaiting, error)
	uploads       func(userID uuid.UUID, after upload.Place, limit int) (upload.Page, error)

	notified chan struct{}

	mu      sync.Mutex
	labels  []map[string]string       // of streams; guarded by mu
	called  []string                  // guarded by mu
	watched map[time.Time][]uuid.UUID // guarded by mu
}

func (f *fakes) note(name string, set bool) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.called = append(f.called, name)

	if !set {
		f.t.Errorf("%s was called", name)
	}
}

func (f *fakes) noteLabels(labels map[string]string) {
	f.mu.Lock()
	defer f.mu.Unlock()

	f.labels = append(f.labels, labels)
}

func (f *fakes) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()

	return append([]string(nil), f.called...)
}

func (f *fakes) Submit(_ context.Context, s generation.Submission) (generation.Accepted, error) {
	f.note("Submit", f.submit != nil)

	return accept(f.submit(s))
}

func (f *fakes) SubmitMany(_ context.Context, userID uuid.UUID, subs []generation.Submission) []generation.Outcome {
	f.note("SubmitMany", f.many != nil)

	return f.many(userID, subs)
}

func (f *fakes) Repeats(_ context.Context, _ uuid.UUID, subs []generation.Submission) ([]bool, error) {
	repeats := make([]bool, len(subs))
	for i, s := range subs {
		repeats[i] = f.known[s.IdempotencyKey]
	}

	return repeats, nil
}

func accept(g generation.Generation, replay *idempotency.Record, err error) (generation.Accepted, error) {
	return generation.Accepted{Generation: g, Balance: credits.Balance{Available: 42}, Replay: replay}, err
}

func (f *fakes) Estimate(_ context.Context, s generation.Submission) (generation.Estimate, error) {
	f.note("Estimate", f.estimate != nil)

	return f.estimate(s)
}

// accounts is the same fakes as the ledger.
type accounts struct{ *fakes }

func (a accounts) Account(_ context.Context, userID uuid.UUID) (credits.Account, error) {
	a.note("Account", a.account != nil)

	return a.account(userID)
}

func (a accounts) Entries(_ context.Context, userID uuid.UUID, before int64, most int) ([]credits.Entry, error) {
	a.note("Entries", a.entries != nil)

	return a.entries(userID, before, most)
}

func (f *fakes) Get(_ context.Context, userID, id uuid.UUID) (generation.Generation, error) {
	f.note("Get", f.get != nil)

	return f.get(userID, id)
}

func (f *fakes) List(_ context.Context, userID uuid.UUID, q generation.Filter) (generation.Page, error) {
	f.note("List", f.list != nil)

	return f.list(userID, q)
}

func (f *fakes) Cancel(_ context.Context, userID, id uuid.UUID) (generation.Generation, error) {
	f.note("Cancel", f.cancel != nil)

	return f.cancel(userID, id)
}

func (f *fakes) Delete(_ context.Context, userID, id uuid.UUID) error {
	f.note("Delete", f.remove != nil)

	return f.remove(userID, id)
}

func (f *fakes) Events(_ context.Context, userID, id uuid.UUID, after int64) ([]generation.Event, error) {
	f.note("Events", f.events != nil)

	return f.events(userID, id, after)
}

func (f *fakes) Degraded(context.Context) (map[string]time.Time, error) { return f.degraded, nil }

func (f *fakes) Remix(_ context.Context, id uuid.UUID, s generation.Submission, sameSeed bool) (generation.Accepted, error) {
	f.note("Remix", f.remix != nil)

	return accept(f.remix(id, s, sameSeed))
}

func (f *fakes) SetFavourite(_ context.Context, userID, id uuid.UUID, favourite bool) (generation.Generation, error) {
	f.note("SetFavourite", f.favourite != nil)

	return f.favourite(userID, id, favourite)
}

func (f *fakes) DeleteMany(_ context.Context, userID uuid.UUID, ids []uuid.UUID) ([]generation.Deletion, error) {
	f.note("DeleteMany", f.removeAll != nil)

	return f.removeAll(userID, ids)
}

func (f *fakes) CancelMany(_ context.Context, userID uuid.UUID, ids []uuid.UUID) ([]generation.Cancellation, error) {
	f.note("CancelMany", f.cancelAll != nil)

	return f.cancelAll(userID, ids)
}

func (f *fakes) CancelWaiting(_ context.Context, userID uuid.UUID) (generation.CanceledWaiting, error) {
	f.note("CancelWaiting", f.cancelWaiting != nil)

	return f.cancelWaiting(userID)
}

func (f *fakes) UsageOf(_ context.Context, userID uuid.UUID) (generation.Usage, error) {
	f.note("UsageOf", f.usage != nil)

	return f.usage(userID)
}

func (f *fakes) Album(_ context.Context, userID uuid.UUID, ids []uuid.UUID) (generation.Album, error) {
	f.note("Album", f.album != nil)

	return f.album(userID, ids)
}

func (f *fakes) OpenPicture(_ context.Context, p generation.Picture) (io.ReadCloser, error) {
	f.note("OpenPicture", f.open != nil)

	return f.open(p)
}

func (f *fakes) UserTopic(_ context.Context, userID uuid.UUID) (uuid.UUID, error) { return userID, nil }

func (f *fakes) Overview(_ context.Context, userID uuid.UUID, labels map[string]string) (generation.Overview, error) {
	f.note("Overview", f.overview != nil)
	f.noteLabels(labels)

	return f.overview(userID)
}

func (f *fakes) Resumable(_ context.Context, userID uuid.UUID, after int64) (bool, error) {
	f.note("Resumable", f.resumable != nil)

	return f.resumable(userID, after)
}

func (f *fakes) Changes(_ context.Context, userID uuid.UUID, after int64, labels map[string]string) ([]generation.Change, error) {
	f.note("Changes", f.changes != nil)
	f.noteLabels(labels)

	return f.changes(userID, after)
}

func (f *fakes) Watch(_ context.Context, _ uuid.UUID, ids ...uuid.UUID) error {
	f.mu.Lock()
	defer f.mu.Unlock()

	if f.watched == nil {
		f.watched = map[time.Time][]uuid.UUID{}
	}

	f.watched[time.Now()] = ids

	return context.DeadlineExceeded // which costs progress, and nothing else
}

func (f *fakes) Models() []catalogue.Model {
	f.note("Models", f.models != nil)

	return f.models()
}

func (f *fakes) Verify(_ context.Context, header http.Header, body []byte) (providers.Callback, error) {
	f.note("Verify", f.verify != nil)

	return f.verify(header, body)
}

func (f *fakes) ReceiveCallback(_ context.Context, token string, cb providers.Callback) error {
	f.note("ReceiveCallback", f.receive != nil)

	return f.receive(token, cb)
}

func (f *fakes) Subscribe(uuid.UUID) (<-chan struct{}, func()) { return f.notified, func() {} }

// uploads is the same fakes as the service of uploads.
type uploads struct{ *fakes }

func (u uploads) Create(_ context.Context, userID uuid.UUID, p upload.Promise) (upload.Upload, upload.Ticket, error) {
	u.note("CreateUpload", u.room != nil)

	return u.room(userID, p)
}

func (u uploads) Get(_ context.Context, userID, id uuid.UUID) (upload.Upload, error) {
	u.note("GetUpload", u.upload != nil)

	return u.upload(userID, id)
}

func (u uploads) List(_ context.Context, userID uuid.UUID, after upload.Place, limit int) (upload.Page, error) {
	u.note("ListUploads", u.uploads != nil)

	return u.uploads(userID, after, limit)
}

func (u uploads) Complete(_ context.Context, userID, id uuid.UUID) (upload.Upload, error) {
	u.note("Complete", u.finish != nil)

	return u.finish(userID, id)
}

func (u uploads) Delete(_ context.Context, userID, id uuid.UUID) error {
	u.note("DeleteUpload", u.discard != nil)

	return u.discard(userID, id)
}

// keyring is the same fakes as the service of API keys, whose List has another shape.
type keyring struct{ *fakes }

func (k keyring) Create(_ context.Context, userID uuid.UUID, name string, scopes []auth.Scope, expires *time.Time) (apikey.Key, redact.Secret, error) {
	k.note("Create", k.create != nil)

	return k.create(userID, name, scopes, expires)
}

func (k keyring) List(_ context.Context, userID uuid.UUID) ([]apikey.Key, error) {
	k.note("ListKeys", k.keys != nil)

	return k.keys(userID)
}

func (k keyring) Revoke(_ context.Context, userID, id uuid.UUID) error {
	k.note("Revoke", k.revoke != nil)

	return k.revoke(userID, id)
}
