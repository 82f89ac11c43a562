package inbox_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/fault"
	"imagerun/internal/inbox"
	"imagerun/internal/jobs"
	"imagerun/queue"
	"imagerun/queue/durable"
	"imagerun/queue/queuetest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

const maxBody = 4 << 10

var errForged = fault.New(fault.Unauthenticated, "webhook_signature_invalid", "It is not signed.")

// vendor is a source that signs as many do: HMAC-SHA-256 of the raw body, in hexadecimal.
type vendor struct{ secrets []string } // the newest first

func (v vendor) sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(v.secrets[0]))
	mac.Write(body)

	return hex.EncodeToString(mac.Sum(nil))
}

// Verify implements [inbox.Verifier].
func (v vendor) Verify(_ context.Context, header http.Header, body []byte) (e inbox.Event, err error) {
	for _, secret := range v.secrets {
		if hmac.Equal([]byte(vendor{[]string{secret}}.sign(body)), []byte(header.Get("X-Signature"))) {
			var in struct{ ID, Type string }

			if err := json.Unmarshal(body, &in); err != nil {
				return e, inbox.ErrInvalid.WithCause(err)
			}

			return inbox.Event{ID: in.ID, Type: in.Type}, nil
		}
	}

	return e, errForged
}

// bundle is an inbox with an endpoint of a vendor, whose events add up numbers.
type bundle struct {
	*inbox.Inbox

	vendor vendor
	server *httptest.Server
	pool   *pgxpool.Pool
	owner  *pgxpool.Pool
	jobs   *queuetest.Jobs
	ahead  time.Duration
	handle inbox.Handler // what handles the next event instead of add
}

func setup(t *testing.T) *bundle {
	t.Helper()

	app, _, owner := devtest.PostgresURLs(t)

	return setupOn(t, devtest.Pool(t, app), devtest.Pool(t, owner))
}

func setupOn(t *testing.T, pool, owner *pgxpool.Pool) *bundle {
	t.Helper()

	b := &bundle{vendor: vendor{[]string{"a secret"}}, pool: pool, owner: owner}

	_, err := owner.Exec(t.Context(), `create table if not exists added (event_id text not null); grant select, insert on added to imagerun_app`)
	require.NoError(t, err)

	b.Inbox = inbox.New(inbox.Deps{
		Pool: pool, Queue: durable.New(pool, jobs.Kinds(), durable.Options{}), Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return clock.System().Add(b.ahead) },
		Handlers: map[string]inbox.Handler{"fake": func(ctx context.Context, tx pgx.Tx, e inbox.Event) error {
			if b.handle != nil {
				return b.handle(ctx, tx, e)
			}

			return add(ctx, tx, e)
		}},
	})

	registry := queue.NewRegistry(jobs.Kinds())
	b.Register(registry)
	b.jobs = queuetest.New(t, pool, registry)

	b.server = httptest.NewServer(b.Endpoint(inbox.EndpointOptions{
		Source: "fake", Verifier: b.vendor, Types: []string{"number.added"}, MaxBody: maxBody,
		Fail: func(w http.ResponseWriter, _ *http.Request, err error) {
			status := map[fault.Kind]int{
				fault.Unauthenticated: http.StatusUnauthorized, fault.TooLarge: http.StatusRequestEntityTooLarge,
				fault.Malformed: http.StatusBadRequest, fault.Invalid: http.StatusUnprocessableEntity,
			}[fault.Of(err).Kind]
			if status == 0 {
				status = http.StatusInternalServerError
			}

			w.WriteHeader(status)
		},
	}))
	t.Cleanup(b.server.Close)

	return b
}

// add does what events of the vendor ask for.
func add(ctx context.Context, tx pgx.Tx, e inbox.Event) error {
	if e.Type != "number.added" {
		return inbox.ErrUnknownType
	}

	_, err := tx.Exec(ctx, `insert into added (event_id) values ($1)`, e.ID)

	return err
}

func bodyOf(id, kind string) []byte { return []byte(`{"id": "` + id + `", "type": "` + kind + `"}`) }

// send has the vendor send an event, and returns the status of the answer.
func (b *bundle) send(t *testing.T, id, kind string) int {
	t.Helper()

	body := bodyOf(id, kind)

	return b.post(t, strings.NewReader(string(body)), b.vendor.sign(body))
}

func (b *bundle) post(t *testing.T, body io.Reader, signature string) int {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.server.URL, body)
	require.NoError(t, err)
	r.Header.Set("X-Signature", signature)

	reply, err := b.server.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, reply.Body.Close())

	return reply.StatusCode
}

func (b *bundle) count(t *testing.T, sql string, args ...any) (n int) {
	t.Helper()
	require.NoError(t, b.owner.QueryRow(t.Context(), sql, args...).Scan(&n))

	return n
}

// is demands what became of the only event.
func (b *bundle) is(t *testing.T, state, code string) (id uuid.UUID) {
	t.Helper()

	var gotState, gotCode string

	require.NoError(t, b.owner.QueryRow(t.Context(), `select id, state, coalesce(code, '') from inbox_event`).Scan(&id, &gotState, &gotCode))
	require.Equal(t, []string{state, code}, []string{gotState, gotCode})

	return id
}
