package apptest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/simulators/falsim"
)

// TestBills is a night after a day: what fal told with the results is what it billed, by the rights that a worker has.
func TestBills(t *testing.T) {
	t.Parallel()

	p := apptest.Start(t, apptest.Options{Fal: falsim.Options{Duration: 50 * time.Millisecond}})
	u := p.SignUp(t, "")

	kept, erased := u.Submit(t, map[string]any{"num_images": 2}), u.Submit(t, map[string]any{})
	require.Equal(t, "succeeded", u.Await(t, kept.ID, time.Minute).Status)
	require.Equal(t, "succeeded", u.Await(t, erased.ID, time.Minute).Status)
	p.Quiet(t)

	require.Equal(t, 2, p.Count(t, `select count(*) from provider_cost where units_told > 0 and credits > 0 and images > 0`))

	require.Equal(t, 204, u.Do(t, "DELETE", "/v1/generations/"+erased.ID, nil, nil).StatusCode)
	p.Quiet(t)
	require.Equal(t, 1, p.Count(t, `select count(*) from provider_cost where request_id is null and attempt_id is null`))

	night := func() {
		_, err := p.Pool.Exec(t.Context(), `insert into job (kind, queue, args) values ('generation.compare_bills', 'vendor', '{}')`)
		require.NoError(t, err)
		p.Quiet(t)
		require.Zero(t, p.Count(t, `select count(*) from job`), "it failed: %s", p.Log)
	}

	// It begins long ago, and everything ended hours ago.
	night()

	_, err := p.Pool.Exec(t.Context(), `update provider_cost set ended_at = ended_at - interval '2 hours'`)
	require.NoError(t, err)
	night()

	require.Equal(t, 1, p.Count(t, `select count(*) from provider_cost
		where attempt_id is not null and closed_at is not null and units_billed = units_told and cost_nano_usd > 0`))
	require.Equal(t, 1, p.Count(t, `select count(*) from provider_bill where report->'differences'->>'unknown' = '0'
		and report->'models'->'z-image-turbo'->>'attempts' = '1'`))
}
