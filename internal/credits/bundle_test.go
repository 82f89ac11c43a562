package credits_test

import (
	"context"
	"os"
	"slices"
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
	"imagerun/internal/redact"
)

func TestMain(m *testing.M) { devtest.Main(m) }

func proving() bool { return os.Getenv("IMAGERUN_PROVE") != "" }

// bundle is a ledger with a clock that the test moves, and one person in it.
type bundle struct {
	*credits.Ledger

	ctx     context.Context
	pool    *pgxpool.Pool
	user    uuid.UUID
	subject uuid.UUID
	time    *clocktest.Clock
}

func setup(t *testing.T) *bundle {
	t.Helper()

	pool := devtest.Postgres(t)

	b, err := newBundle(t.Context(), pool)
	require.NoError(t, err)

	return b
}

func newBundle(ctx context.Context, pool *pgxpool.Pool) (*bundle, error) {
	b := &bundle{ctx: ctx, pool: pool, user: uuid.New(), time: clocktest.New()}
	b.Ledger = credits.New(credits.Options{Now: b.time.Now, SignupKeys: []redact.Secret{redact.NewSecret("a key")}})

	return b, b.tx(func(tx pgx.Tx) (err error) {
		b.subject, err = b.Subject(ctx, tx, b.user)

		return err
	})
}

func (b *bundle) in(d time.Duration) *time.Time {
	at := b.time.Now().Add(d)

	return &at
}

func (b *bundle) tx(f func(pgx.Tx) error) error { return pgx.BeginFunc(b.ctx, b.pool, f) }

func (b *bundle) give(t *testing.T, source credits.Source, reference string, n int64, until *time.Time) bool {
	t.Helper()

	var did bool

	require.NoError(t, b.tx(func(tx pgx.Tx) (err error) {
		did, err = b.Grant(b.ctx, tx, credits.Grant{Subject: b.subject, Source: source, Reference: reference, Credits: n, ExpiresAt: until})

		return err
	}))

	return did
}

func (b *bundle) hold(task uuid.UUID, n int64) error {
	return b.tx(func(tx pgx.Tx) error {
		_, err := b.Hold(b.ctx, tx, credits.Hold{UserID: b.user, TaskID: task, Credits: n, AutoRefundAt: b.time.Now().Add(time.Hour)})

		return err
	})
}

func (b *bundle) capture(task uuid.UUID, image int, n int64) error {
	return b.tx(func(tx pgx.Tx) error { return b.Capture(b.ctx, tx, task, image, n) })
}

func (b *bundle) release(t *testing.T, task uuid.UUID) int64 {
	t.Helper()

	var n int64

	require.NoError(t, b.tx(func(tx pgx.Tx) (err error) {
		n, err = b.Release(b.ctx, tx, task)

		return err
	}))

	return n
}

func (b *bundle) claw(t *testing.T, reference, event string, n int64) {
	t.Helper()

	require.NoError(t, b.tx(func(tx pgx.Tx) error {
		return b.ClawBack(b.ctx, tx, credits.ClawBack{Subject: b.subject, Reference: reference, Event: event, Credits: n, Reason: credits.ReasonDispute})
	}))
}

func (b *bundle) has(t *testing.T, want credits.Balance) {
	t.Helper()

	got, err := b.Balance(b.ctx, b.pool, b.user)
	require.NoError(t, err)
	require.Equal(t, want, got)
	creditstest.Check(t, b.pool)
}

// story is what the person reads, oldest first.
func (b *bundle) story(t *testing.T) []string {
	t.Helper()

	entries, err := b.Entries(b.ctx, b.pool, b.user, 0, 100)
	require.NoError(t, err)

	var list []string
	for _, e := range slices.Backward(entries) {
		list = append(list, line(e))
	}

	return list
}
