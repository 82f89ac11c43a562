package credits_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
)

func (b *bundle) unspent(t *testing.T, references ...string) (list []credits.Unspent) {
	t.Helper()

	require.NoError(t, b.tx(func(tx pgx.Tx) (err error) {
		list, err = b.Unspent(b.ctx, tx, b.subject, references...)

		return err
	}))

	return list
}

// What is said to be unspent can be taken back, and nothing of it becomes debt.
func TestUnspent(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.give(t, credits.SourcePack, "creem:a", 100, nil)
	b.time.Move(time.Second)
	b.give(t, credits.SourcePack, "creem:b", 50, nil)
	b.give(t, credits.SourceSubscription, "sub:c", 10, b.in(time.Hour))

	// 10 of c and 60 of a are held, and 5 of them paid with.
	task := uuid.New()
	require.NoError(t, b.hold(task, 70))
	require.NoError(t, b.capture(task, 0, 5))

	all := []string{"creem:a", "creem:b", "sub:c", "creem:never"}
	require.Equal(t, []credits.Unspent{
		{Reference: "creem:a", Amount: 100, Credits: 40}, {Reference: "creem:b", Amount: 50, Credits: 50}, {Reference: "sub:c", Amount: 10},
	}, b.unspent(t, all...), "what is held counts as used")

	b.release(t, task)
	require.Equal(t, int64(100), b.unspent(t, "creem:a")[0].Credits)
	require.Equal(t, int64(5), b.unspent(t, "sub:c")[0].Credits)

	b.time.Move(2 * time.Hour)
	require.NoError(t, b.tx(func(tx pgx.Tx) error {
		_, err := b.Grant(b.ctx, tx, credits.Grant{Subject: b.subject, Source: credits.SourceOperator, Reference: "adjust:1", Credits: 1})

		return err
	}))
	require.Equal(t, int64(5), b.unspent(t, "sub:c")[0].Credits, "what expired unused was not used")

	for _, u := range b.unspent(t, all...) {
		b.claw(t, u.Reference, "withdrawal:"+u.Reference, u.Credits)
	}

	for _, u := range b.unspent(t, "creem:a", "creem:b") {
		require.Zero(t, u.Credits, u.Reference)
	}

	b.has(t, credits.Balance{Available: 1})

	other, err := newBundle(context.WithoutCancel(b.ctx), b.pool)
	require.NoError(t, err)
	require.Empty(t, other.unspent(t, all...), "of another subject there are none")
}
