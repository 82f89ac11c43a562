package httpapi_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/httpapi"
)

// The users of the tests, by what they send. "Bearer reader" is an API key that may only read.
var (
	alice = uuid.MustParse("a11ce000-0000-4000-8000-000000000001")
	bob   = uuid.MustParse("b0b00000-0000-4000-8000-000000000002")
)

func authenticate(ctx context.Context, r *http.Request) (*auth.Principal, error) {
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
	case "Bearer bookkeeper":
		return &auth.Principal{UserID: alice, Method: auth.MethodAPIKey, KeyID: uuid.New(), Scopes: []auth.Scope{auth.ScopeCreditsRead}}, nil
	case "Bearer frozen":
		<-ctx.Done()

		return nil, ctx.Err()
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
	limits  *limits
	metrics *httpapi.Metrics
	closing chan struct{}
	log     *syncBuffer

	revoked atomic.Pointer[error] // what judging a caller answers, if not nil
}

func setup(t *testing.T, edits ...func(*httpapi.Deps)) *bundle {
	t.Helper()

	b := &bundle{
		fakes:   &fakes{t: t, notified: make(chan struct{}, 1)},
		limits:  &limits{},
		metrics: httpapi.NewMetrics(),
		closing: make(chan struct{}),
		log:     &syncBuffer{},
	}
	deps := httpapi.Deps{
		Generations:   b.fakes,
		Notifications: b.fakes,
		APIKeys:       keyring{b.fakes},
		Uploads:       uploads{b.fakes},
		Credits:       accounts{b.fakes},
		Authenticator: authenticatorFunc(func(ctx context.Context, r *http.Request) (*auth.Principal, error) {
			if err := b.revoked.Load(); err != nil {
				return nil, *err
			}

			return authenticate(ctx, r)
		}),
		AuthService: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-From", "auth")
			w.WriteHeader(http.StatusTeapot)
		}),
		CallbackVerifier: b.fakes,
		Callbacks:        b.fakes,
		Plans:            b.limits,
		RateLimits:       b.limits,
		Metrics:          b.metrics,
		Logger:           slog.New(slog.NewJSONHandler(b.log, nil)),
		Closing:          b.closing,
	}

	for _, edit := range edits {
		edit(&deps)
	}

	b.handler = httpapi.New(deps)

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

func requireCode(t *testing.T, w *httptest.ResponseRecorder, status int, code string) httpapi.Problem {
	t.Helper()

	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, "application/problem+json", w.Header().Get("Content-Type"))

	p := decode[httpapi.Problem](t, w)
	require.Equal(t, code, string(p.Code))
	require.Equal(t, status, p.Status)
	require.Equal(t, w.Header().Get("X-Request-Id"), p.RequestID)
	require.NotEmpty(t, p.Detail)
	require.NotEmpty(t, p.Title)
	require.Zero(t, p.Charged)
	contractOf(t).requireConforms(t, "default", "get", "/v1/models", w)

	return p
}
