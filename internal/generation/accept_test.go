package generation_test

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/generation"
	"imagerun/internal/generation/catalogue"
	"imagerun/internal/idempotency"
	"imagerun/internal/redact"
)

// roundTrips is the most that a submit may wait for Postgres: BEGIN with all that is locked and read, which
// depends on the user and the idempotency key alone; the rows, with COMMIT. A statement more belongs into one of them.
const roundTrips = 2

func TestSubmit_RoundTrips(t *testing.T) {
	t.Parallel()

	cfg := devtest.Postgres(t).Config()
	trips := &tripCounter{}
	cfg.ConnConfig.Tracer = trips
	cfg.MaxConns = 1 // and never a second connection

	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	require.NoError(t, err)
	t.Cleanup(pool.Close)

	b := setupOn(t, pool)
	b.fund(t, b.user, fortune)

	submit := func() []string {
		s := submission(b, two)
		s.IdempotencyKey, s.Fingerprint = uuid.NewString(), []byte("f")

		_, err := b.Submit(t.Context(), s)
		require.NoError(t, err)

		return trips.take()
	}

	trips.take()
	submit() // the user's first, which also measures the models and reads the line

	sent := submit()
	require.Len(t, sent, roundTrips, "%q", sent)
}

// A repeat is refused while the first is in flight; it does not wait for the locks that the first has.
func TestSubmit_InFlight(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.submit(t)

	s := submission(b, two)
	s.IdempotencyKey, s.Fingerprint = "k", []byte("f")

	first, err := b.pool.Begin(t.Context())
	require.NoError(t, err)

	_, err = idempotency.Begin(t.Context(), first, b.user, s.IdempotencyKey, s.Fingerprint)
	require.NoError(t, err)
	_, err = first.Exec(t.Context(), `select from generation_user where user_id = $1 for update`, b.user)
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	_, err = b.Submit(ctx, s)
	require.ErrorIs(t, err, idempotency.ErrInFlight)

	require.NoError(t, first.Rollback(t.Context()))

	_, err = b.Submit(t.Context(), s)
	require.NoError(t, err)
}

// All the first submits of a user come at once: none is refused, and each is answered once.
func TestSubmit_FirstsOfAUser(t *testing.T) {
	t.Parallel()

	b := setup(t)
	user := uuid.New()
	b.fund(t, user, fortune)

	var (
		all sync.WaitGroup
		ids [8]uuid.UUID
	)

	for i := range ids {
		all.Go(func() {
			s := submission(b, two)
			s.UserID, s.IdempotencyKey, s.Fingerprint = user, fmt.Sprint(i), []byte("f")

			accepted, err := b.Submit(t.Context(), s)
			if err != nil {
				t.Errorf("submit %d: %v", i, err)
			}

			again, err := b.Submit(t.Context(), s)
			if err != nil || again.ID != accepted.ID {
				t.Errorf("repeat %d: %v, %v and %v", i, err, accepted.ID, again.ID)
			}

			ids[i] = accepted.ID
		})
	}

	all.Wait()

	var n int
	require.NoError(t, b.pool.QueryRow(t.Context(), `select count(*) from ai_task where user_id = $1 and id = any($2)`, user, ids[:]).Scan(&n))
	require.Len(t, ids, n)
	b.check(t)
}

// Whoever is refused leaves nothing behind, nor do they where nothing was known of them before.
func TestSubmit_RefusedLeavesNothing(t *testing.T) {
	t.Parallel()

	b := setup(t)
	s := submission(b, two)
	s.UserID, s.IdempotencyKey, s.Fingerprint = uuid.New(), "k", []byte("f")

	_, err := b.Submit(t.Context(), s)
	require.ErrorIs(t, err, credits.ErrInsufficient)

	var n int
	require.NoError(t, b.pool.QueryRow(t.Context(), `select (select count(*) from generation_user where user_id = $1)
		+ (select count(*) from ai_task where user_id = $1) + (select count(*) from idempotency_record where user_id = $1)`, s.UserID).Scan(&n))
	require.Zero(t, n)
}

// tripCounter notes what is sent: one for each time that somebody waits for an answer.
type tripCounter struct {
	mu   sync.Mutex
	sent []string // guarded by mu
}

func (c *tripCounter) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()

	c.sent = append(c.sent, what)
}

func (c *tripCounter) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()

	sent := c.sent
	c.sent = nil

	return sent
}

func (c *tripCounter) TraceQueryStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceQueryStartData) context.Context {
	c.note(d.SQL)

	return ctx
}
func (c *tripCounter) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

func (c *tripCounter) TraceCopyFromStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceCopyFromStartData) context.Context {
	c.note("copy " + d.TableName.Sanitize())

	return ctx
}
func (c *tripCounter) TraceCopyFromEnd(context.Context, *pgx.Conn, pgx.TraceCopyFromEndData) {}

func (c *tripCounter) TraceBatchStart(ctx context.Context, _ *pgx.Conn, d pgx.TraceBatchStartData) context.Context {
	c.note(fmt.Sprintf("%d together", d.Batch.Len()))

	return ctx
}
func (c *tripCounter) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}
func (c *tripCounter) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData)     {}

// What a submit answers was not read back. It is what a look says.
func TestSubmit_AnswersWhatALookSays(t *testing.T) {
	t.Parallel()

	b := setup(t)
	upload := uuid.New()
	b.references[upload] = generation.Reference{Key: "ref/" + upload.String(), Width: 640, Height: 480}

	for name, edit := range map[string]func(*generation.Submission){
		"Plain": func(*generation.Submission) {},
		"Everything": func(s *generation.Submission) {
			two(s)
			s.Model, s.FallbackModels = "flux-schnell", []string{"z-image-turbo"}
			s.DeadlineSeconds, s.Metadata = new(90), json.RawMessage(`{"order": "1"}`)
			s.RemixOf, s.OutputFormat = new(uuid.New()), new("jpeg")
		},
		"Reference": func(s *generation.Submission) { s.Reference = &catalogue.Reference{UploadID: upload} },
		"NegativePrompt": func(s *generation.Submission) {
			s.Model, s.NegativePrompt = "qwen-image", new(redact.NewPersonal("hands"))
		},
	} {
		for range 2 { // the second has the first before it
			s := submission(b, edit)

			b.now.Move(time.Millisecond) // so that one is before the other

			accepted, err := b.Submit(t.Context(), s)
			require.NoError(t, err, name)

			if diff := cmp.Diff(b.get(t, accepted.ID), accepted.Generation, cmp.Comparer(func(x, y redact.Personal) bool { return x.Reveal() == y.Reveal() })); diff != "" {
				require.Fail(t, name, diff)
			}

			require.NotNil(t, accepted.QueuePosition, name)
			require.Len(t, accepted.Images, accepted.Parameters.NumImages, name)
			require.Positive(t, accepted.Cost.Held, name)
		}
	}
}
