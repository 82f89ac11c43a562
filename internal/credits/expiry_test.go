package credits_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
)

// What is granted can be shown, and what is given back of it too: the domain and the schema bound its expiry.
func TestGrant_ExpiryThatCannotBeShown(t *testing.T) {
	t.Parallel()

	b := setup(t)
	edge := clock.Latest()

	for _, late := range []time.Time{edge, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)} {
		err := b.tx(func(tx pgx.Tx) error {
			_, err := b.Grant(b.ctx, tx, credits.Grant{Subject: b.subject, Source: credits.SourceOperator, Reference: "adjust:1", Credits: 5, ExpiresAt: &late})

			return err
		})
		require.ErrorIs(t, err, credits.ErrTooLate, late)
	}

	last := edge.Add(-time.Microsecond)
	require.True(t, b.give(t, credits.SourceOperator, "adjust:2", 5, &last))

	task := uuid.New()
	require.NoError(t, b.hold(task, 2))
	require.NoError(t, b.capture(task, 0, 2))
	b.release(t, task)
	require.NoError(t, b.tx(func(tx pgx.Tx) error {
		_, err := b.Refund(b.ctx, tx, credits.Refund{TaskID: task, Request: "r", Credits: 2})

		return err
	}))

	_, err := b.pool.Exec(b.ctx, `update credit_grant set expires_at = '10000-01-01 00:00:00+00'`)
	require.ErrorContains(t, err, "later than can be shown")
}
