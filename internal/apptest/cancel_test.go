package apptest_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/simulators/falsim"
)

// TestCancel_WhatTheProviderMakesIsPaidFor has a user take back whatever has just begun. Never has the provider more of theirs
// than they have slots, and what it bills us for they have paid for.
func TestCancel_WhatTheProviderMakesIsPaidFor(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{
		Config: map[string]string{"credits.welcome": "100"}, Fal: falsim.Options{Duration: 2 * time.Second},
	})
	u := p.SignUp(t, "") // two slots

	const task = ` from ai_task t where 'gen_' || replace(t.id::text, '-', '') = $1`

	for i := range 10 {
		g := u.Submit(t, map[string]any{"model": "flux-dev"})
		require.Eventually(t, func() bool {
			return p.Count(t, `select count(*)`+task+` and t.status = 'running'`, g.ID) == 1 ||
				p.Count(t, `select count(*) from ai_task where admitted_at is not null and finished_at is null`) == 2
		}, 20*time.Second, 5*time.Millisecond, "it neither begins nor has to wait")

		path := "/v1/generations/" + g.ID
		if i%2 == 0 {
			require.Less(t, u.Do(t, http.MethodDelete, path, nil, nil).StatusCode, 300)
		} else {
			require.Less(t, u.Do(t, http.MethodPost, path+"/cancel", nil, nil).StatusCode, 300)
		}

		has := p.Fal.Stats()
		require.LessOrEqual(t, has.Queued+has.Running, 2, "more than they have slots")
	}

	p.Quiet(t)
	p.CheckObjects(t)

	made := p.Fal.Stats()
	require.Positive(t, made.Finished)
	require.EqualValues(t, made.Finished-made.Cancelled, p.Count(t, `select count(*) from ledger_txn where kind = 'capture'`), "what was made is paid for")
	require.Zero(t, p.Count(t, `select count(*) from ai_task where deleted_at is not null`), "what was deleted is erased")
}
