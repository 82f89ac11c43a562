// Package creditstest is the check that every test that moves credits ends with.
package creditstest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
)

// Check fails the test when an invariant of the ledger does not hold in the database.
func Check(t testing.TB, pool *pgxpool.Pool) {
	t.Helper()

	violations, err := credits.Audit(t.Context(), pool, uuid.Nil)
	require.NoError(t, err)

	for _, v := range violations {
		t.Errorf("%s", v)
	}
}
