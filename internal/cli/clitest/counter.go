// Package clitest is what tests of operators' commands need: a person with credits and generations, and the program's output.
package clitest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/credits/creditstest"
	"imagerun/internal/devstack/devtest"
)

// Execute runs a command as the program does, and returns what it printed and what it said aside.
func Execute(ctx context.Context, c *cobra.Command, args ...string) (out, aside string, err error) {
	var stdout, stderr bytes.Buffer

	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetOut(&stdout)
	c.SetErr(&stderr)
	c.SetArgs(args)

	err = c.ExecuteContext(ctx)

	return stdout.String(), stderr.String(), err
}

// Counter is an operator at the counter, and one person who has bought ten credits.
type Counter struct {
	*credits.Ledger

	T     *testing.T
	URL   string        // of the database, as the operators' role
	Pool  *pgxpool.Pool // as the product's
	Owner *pgxpool.Pool // as the tables' owner
	User  uuid.UUID
}

// NewCounter opens one on a database of the test's own.
func NewCounter(t *testing.T) Counter {
	t.Helper()

	url, _, owner := devtest.PostgresURLs(t)
	b := Counter{
		Ledger: credits.New(credits.Options{Now: clock.System}), T: t, URL: devtest.As(t, url, "operator"),
		Pool: devtest.Pool(t, url), Owner: devtest.Pool(t, owner), User: uuid.New(),
	}

	b.Exec(b.Owner, `insert into auth."user" ("id", "name", "email", "emailVerified", "updatedAt") values ($1, '', 'ada@example.com', true, now())`, b.User)
	b.Tx(func(tx pgx.Tx) error {
		subject, err := b.Subject(t.Context(), tx, b.User)
		require.NoError(t, err)

		_, err = b.Grant(t.Context(), tx, credits.Grant{Subject: subject, Source: credits.SourcePack, Reference: "creem:1", Credits: 10})

		return err
	})

	return b
}

// Exec runs a statement.
func (b Counter) Exec(pool *pgxpool.Pool, sql string, args ...any) {
	b.T.Helper()

	_, err := pool.Exec(b.T.Context(), sql, args...)
	require.NoError(b.T, err)
}

// Tx runs f in a transaction of the product.
func (b Counter) Tx(f func(pgx.Tx) error) {
	b.T.Helper()
	require.NoError(b.T, pgx.BeginFunc(b.T.Context(), b.Pool, f))
}

// AddGeneration adds one that held six credits, delivered images 1 and 3 for two each, and ended.
func (b Counter) AddGeneration() (id uuid.UUID, code string) {
	b.T.Helper()

	id, code = uuid.New(), "4X9KQ-7M2AB"
	b.Exec(b.Pool, `insert into generation_user (user_id) values ($1)`, b.User)
	b.Exec(b.Pool, `insert into ai_task (id, user_id, provider, status, model, catalogue_hash, prompt, parameters, support_code, deadline_at, finished_at)
		values ($1, $2, 'fal', 'partial', 'm', 'h', 'a red fox', '{}', $3, now(), now())`, id, b.User, code)
	b.AddHold(id)
	b.Tx(func(tx pgx.Tx) error {
		require.NoError(b.T, b.Capture(b.T.Context(), tx, id, 0, 2))
		require.NoError(b.T, b.Capture(b.T.Context(), tx, id, 2, 2))

		_, err := b.Release(b.T.Context(), tx, id)

		return err
	})

	return id, code
}

// AddHold sets six credits aside for a generation.
func (b Counter) AddHold(id uuid.UUID) {
	b.T.Helper()
	b.Tx(func(tx pgx.Tx) error {
		_, err := b.Hold(b.T.Context(), tx, credits.Hold{UserID: b.User, TaskID: id, Credits: 6, AutoRefundAt: clock.System().Add(time.Hour)})

		return err
	})
}

// RequireBalance asks what the person has, and whether the whole ledger is in order.
func (b Counter) RequireBalance(want credits.Balance) {
	b.T.Helper()

	got, err := b.Balance(b.T.Context(), b.Pool, b.User)
	require.NoError(b.T, err)
	require.Equal(b.T, want, got)
	creditstest.Check(b.T, b.Pool)
}
