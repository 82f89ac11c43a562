package generation_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/generation"
)

// TestReap leaves holds behind as no code of ours does, and has the reaper find them.
func TestReap(t *testing.T) {
	t.Parallel()

	for name, c := range map[string]struct {
		sql    string // how it came to be
		status generation.Status
	}{
		"OfOneThatHangs":     {`update credit_hold set auto_refund_at = now() - interval '1 hour' where task_id = $1`, generation.StatusExpired},
		"OfOneThatIsOver":    {`update ai_task set status = 'failed', failure_code = 'provider_error', finished_at = now() where id = $1`, generation.StatusFailed},
		"OfOneThatIsNotHere": {`delete from ai_task where id = $1`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.poor(t, 12)

			g := b.start(t, two)
			_, err := b.pool.Exec(t.Context(), c.sql, g.ID)
			require.NoError(t, err)

			if c.status != generation.StatusExpired {
				b.now.Move(time.Hour)
			}

			for range 2 {
				_, err = b.ExpireDue(t.Context())
				require.NoError(t, err)
				require.Equal(t, []string{aside, all}, b.story(t))
			}

			costs, err := b.credits.Costs(t.Context(), b.pool, []uuid.UUID{g.ID})
			require.NoError(t, err)
			require.Zero(t, costs[g.ID].Held)

			if c.status != "" {
				require.Equal(t, c.status, b.get(t, g.ID).Status)
			}
		})
	}
}
