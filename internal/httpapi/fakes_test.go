package httpapi_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/auth/apikey"
	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/httpapi"
	"imagerun/internal/idempotency"
	"imagerun/internal/providers"
	"imagerun/internal/redact"
	"imagerun/internal/upload"
)

// fakes are the services behind the edge. A function that a test has not set must not be called.
type fakes struct {
	t *testing.T

	submit func(s generation.Submission) (generation.Generation, *idempotency.Record, error)
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
	album     func(userID uuid.UUID, ids []uuid.UUID) (generation.Album, error)
	open      func(p generation.Picture) (io.ReadCloser, error)
	overview  func(userID uuid.UUID) (generation.Overview, error)
	resumable func(userID uuid.UUID, after int64) (bool, error)
	changes   func(userID uuid.UUID, after int64) ([]generation.Change, error)

	hints chan struct{}

	mu      sync.Mutex
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

func (f *fakes) calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()

	return append([]string(nil), f.called...)
}

func (f *fakes) Submit(_ context.Context, s generation.Submission) (generation.Accepted, error) {
	f.note("Submit", f.submit != nil)

	return accept(f.submit(s))
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

func (f *fakes) Album(_ context.Context, userID uuid.UUID, ids []uuid.UUID) (generation.Album, error) {
	f.note("Album", f.album != nil)

	return f.album(userID, ids)
}

func (f *fakes) OpenPicture(_ context.Context, p generation.Picture) (io.ReadCloser, error) {
	f.note("OpenPicture", f.open != nil)

	return f.open(p)
}

func (f *fakes) Audience(_ context.Context, userID uuid.UUID) (uuid.UUID, error) { return userID, nil }

func (f *fakes) Overview(_ context.Context, userID uuid.UUID) (generation.Overview, error) {
	f.note("Overview", f.overview != nil)

	return f.overview(userID)
}

func (f *fakes) Resumable(_ context.Context, userID uuid.UUID, after int64) (bool, error) {
	f.note("Resumable", f.resumable != nil)

	return f.resumable(userID, after)
}

func (f *fakes) Changes(_ context.Context, userID uuid.UUID, after int64) ([]generation.Change, error) {
	f.note("Changes", f.changes != nil)

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

func (f *fakes) Subscribe(uuid.UUID) (<-chan struct{}, func()) { return f.hints, func() {} }

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

// The users of the tests, by what they send. "Bearer reader" is an API key that may only read.
var (
	alice = uuid.MustParse("a11ce000-0000-4000-8000-000000000001")
	bob   = uuid.MustParse("b0b00000-0000-4000-8000-000000000002")
)

func authenticate(_ context.Context, r *http.Request) (*auth.Principal, error) {
	if _, err := r.Cookie("session"); err == nil {
		return &auth.Principal{UserID: alice, Method: auth.MethodCookie}, nil
	}

	switch r.Header.Get("Authorization") {
	case "Bearer alice":
		return &auth.Principal{UserID: alice, Method: auth.MethodBearer}, nil
	case "Bearer bob":
		return &auth.Principal{UserID: bob, Method: auth.MethodBearer}, nil
	case "Bearer key":
		return &auth.Principal{
			UserID: alice, Method: auth.MethodAPIKey, KeyID: uuid.New(),
			Scopes: []auth.Scope{auth.ScopeGenerationsRead, auth.ScopeGenerationsWrite},
		}, nil
	case "Bearer reader":
		return &auth.Principal{UserID: alice, Method: auth.MethodAPIKey, KeyID: uuid.New(), Scopes: []auth.Scope{auth.ScopeGenerationsRead}}, nil
	case "Bearer outage":
		return nil, context.DeadlineExceeded
	default:
		return nil, auth.ErrUnauthenticated
	}
}

type authenticatorFunc func(ctx context.Context, r *http.Request) (*auth.Principal, error)

func (f authenticatorFunc) Authenticate(ctx context.Context, r *http.Request) (*auth.Principal, error) {
	return f(ctx, r)
}

// bundle is the edge over fakes.
type bundle struct {
	*fakes

	handler http.Handler
	metrics *httpapi.Metrics
	closing chan struct{}
	log     *syncBuffer
}

func setup(t *testing.T) *bundle {
	t.Helper()

	b := &bundle{
		fakes:   &fakes{t: t, hints: make(chan struct{}, 1)},
		metrics: httpapi.NewMetrics(),
		closing: make(chan struct{}),
		log:     &syncBuffer{},
	}
	b.handler = httpapi.New(httpapi.Deps{
		Generations:   b.fakes,
		Changes:       b.fakes,
		APIKeys:       keyring{b.fakes},
		Uploads:       uploads{b.fakes},
		Credits:       accounts{b.fakes},
		Authenticator: authenticatorFunc(authenticate),
		AuthService: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-From", "auth")
			w.WriteHeader(http.StatusTeapot)
		}),
		CallbackVerifier: b.fakes,
		Callbacks:        b.fakes,
		Metrics:          b.metrics,
		Logger:           slog.New(slog.NewJSONHandler(b.log, nil)),
		Closing:          b.closing,
	})

	return b
}

// do sends a request as alice unless the headers say otherwise. Headers are pairs.
func (b *bundle) do(method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}

	r.Header.Set("Authorization", "Bearer alice")

	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}

	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)

	return w
}

type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.String()
}

// sample is a generation of alice's in a state.
func sample(status generation.Status, sequence int64) generation.Generation {
	created := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	g := generation.Generation{
		ID:             uuid.MustParse("0197f2a8-c4d2-7b53-a1f0-9e6d58c3b214"),
		UserID:         alice,
		Status:         status,
		StatusSequence: sequence,
		Model:          "z-image-turbo",
		Prompt:         redact.NewPersonal("a lighthouse"),
		Parameters: catalogue.Parameters{
			AspectRatio: "1:1", Width: 1024, Height: 1024, Quality: "standard", NumImages: 2, Seed: catalogue.SeedMax, OutputFormat: "png",
		},
		Metadata:    []byte(`{"project":"calendar"}`),
		SupportCode: "K7QF-2M9D",
		CreatedAt:   created,
		DeadlineAt:  created.Add(10 * time.Minute),
		Images:      []generation.Image{{ID: uuid.New(), Status: generation.ImagePending}, {ID: uuid.New(), Index: 1, Status: generation.ImagePending}},
	}

	switch status {
	case generation.StatusQueued:
		g.QueuePosition = new(3)
	case generation.StatusStoring:
		g.Images[0] = storedImage(g.Images[0])
	case generation.StatusSucceeded:
		g.Images[0], g.Images[1] = storedImage(g.Images[0]), storedImage(g.Images[1])
	case generation.StatusFailed:
		g.FailureCode = generation.FailureProviderError
	default:
	}

	if status.Terminal() {
		g.FinishedAt = new(created.Add(time.Minute))
	}

	return g
}

func storedImage(img generation.Image) generation.Image {
	img.Status, img.Width, img.Height = generation.ImageStored, 1024, 1024
	img.ContentType, img.Bytes = "image/png", 123456
	img.URL, img.ThumbnailURL = "https://files.example/i?sig=1", "https://files.example/t?sig=1"
	img.ExpiresAt = time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)

	return img
}

const sampleID = "gen_0197f2a8c4d27b53a1f09e6d58c3b214"

// ofAlice answers as the service does: what is not hers is not there.
func ofAlice(g generation.Generation) func(userID, id uuid.UUID) (generation.Generation, error) {
	return func(userID, id uuid.UUID) (generation.Generation, error) {
		if userID != g.UserID || id != g.ID {
			return generation.Generation{}, generation.ErrNotFound
		}

		return g, nil
	}
}

func requireCode(t *testing.T, w *httptest.ResponseRecorder, status int, code string) httpapi.Problem {
	t.Helper()

	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))

	p := decode[httpapi.Problem](t, w)
	require.Equal(t, code, p.Code)
	require.Equal(t, status, p.Status)
	require.Equal(t, w.Header().Get("X-Request-Id"), p.RequestID)
	require.NotEmpty(t, p.Detail)
	require.NotEmpty(t, p.Title)
	require.Zero(t, p.Charged)
	contractOf(t).requireConforms(t, "default", "get", "/v1/models", w)

	return p
}

var errUnavailable = fault.New(fault.Unavailable, "unavailable", "Later.").WithRetryAfter(1500 * time.Millisecond)
