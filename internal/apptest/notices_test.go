package apptest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/apptest"
	"imagerun/internal/simulators/falsim"
)

// TestProve_Notices_RefusedOnesCostNothing has every notice come in a way that proves nothing: signed
// with another key, for another account, too old, changed on its way. Each is refused, and the
// look that needs no notice finishes the generation all the same.
func TestProve_Notices_RefusedOnesCostNothing(t *testing.T) {
	t.Parallel()

	refused := []string{
		"forged", "wrong_user", "stale", "future", "other_header", "other_body", "short_signature", "no_hex",
		"no_signature", "no_timestamp", "no_user", "no_request", "body_changed", "garbage",
	}

	p := apptest.Start(t, apptest.Options{
		Config: map[string]string{"generation.collect_first": "1s", "generation.collect_every": "1s"},
		Fal: falsim.Options{
			Seed: 6, Duration: 100 * time.Millisecond,
			Knobs: falsim.Knobs{Chaos: falsim.Chaos{Only: refused}},
		},
	})
	u := p.SignUp(t, "studio")

	believed := func(n int64) func() bool { return func() bool { return p.Fal.Stats().WebhooksDelivered == n } }

	// A new key, and the old one no longer published: the keys are fetched anew, once a minute at
	// most, which is why the short form leaves it to the verifier's own tests.
	genuine := int64(1)
	if proving() {
		genuine = 2
	}

	for n := range genuine {
		g := u.Submit(t, map[string]any{"width": 256, "height": 256})
		require.Equal(t, "succeeded", u.Await(t, g.ID, time.Minute).Status)
		require.Eventually(t, believed(n+1), 90*time.Second, 20*time.Millisecond, "the notice is not believed")

		if proving() {
			p.Fal.RotateKey(false)
		}
	}

	p.Fal.SetKnobs(func(k *falsim.Knobs) { k.Chaos.Share, k.WebhookBackoffMS = 1, 60_000 })

	ids := make([]string, len(refused))
	for i := range refused {
		ids[i] = u.Submit(t, map[string]any{"width": 256, "height": 256}).ID
	}

	for _, id := range ids {
		require.Equal(t, "succeeded", u.Await(t, id, time.Minute).Status)
	}

	require.EqualValues(t, len(refused)+int(genuine), p.Fal.Stats().Submits)

	var came []string

	for _, w := range p.Fal.Deliveries() {
		if w.Chaos == "" {
			continue // those that were believed
		}

		came = append(came, w.Chaos)
		require.Contains(t, []int{400, 401}, w.Status, w.Chaos)
	}

	require.ElementsMatch(t, refused, came)

	p.Quiet(t)
	p.CheckObjects(t)
}
