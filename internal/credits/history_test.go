package credits_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"imagerun/internal/credits"
	"imagerun/internal/credits/creditstest"
	"imagerun/internal/devstack/devtest"
)

// history is a person to whom things happen at random.
type history struct {
	*bundle

	t          *rapid.T
	references []string
	tasks      []uuid.UUID
	clawed     bool
	n          int
}

var errKilled = errors.New("killed")

// Whatever happens in whatever order, whatever is done twice, and whatever is rolled back and done
// again: every invariant holds afterwards, and the reaper closes every hold.
func TestHistories_Prove(t *testing.T) {
	t.Parallel()

	groups := 10 // of a hundred histories
	if proving() {
		groups = 500
	}

	pool := devtest.Postgres(t)

	t.Run("Random", func(t *testing.T) {
		t.Parallel()

		for g := range groups {
			t.Run(fmt.Sprint(g), func(t *testing.T) {
				t.Parallel()

				rapid.Check(t, func(rt *rapid.T) {
					b, err := newBundle(t.Context(), pool)
					require.NoError(rt, err)

					h := &history{bundle: b, t: rt}
					for range rapid.IntRange(3, 16).Draw(rt, "steps") {
						h.step()
					}

					h.audit()
					h.reap()
					h.audit()
				})
			})
		}
	})
}

func (h *history) audit() {
	violations, err := credits.Audit(h.ctx, h.pool, h.subject)
	require.NoError(h.t, err)
	require.Empty(h.t, violations)
}

func (h *history) balance() credits.Balance {
	b, err := h.Balance(h.ctx, h.pool, h.user)
	require.NoError(h.t, err)

	return b
}

func worth(b credits.Balance) int64 { return b.Available + b.Held - b.Debt }

func (h *history) step() {
	h.n++

	switch rapid.SampledFrom([]string{"grant", "grant", "hold", "hold", "hold", "capture", "capture", "release", "wait", "expire", "claw", "refund"}).Draw(h.t, "what") {
	case "grant":
		h.grant()
	case "hold":
		h.holds()
	case "capture":
		h.captures()
	case "release":
		h.releases()
	case "wait":
		h.time.Move(time.Duration(rapid.IntRange(1, 80).Draw(h.t, "hours")) * time.Hour)
	case "expire":
		h.do(func(tx pgx.Tx) error { return h.ExpireSubject(h.ctx, tx, h.subject) })
	case "claw":
		h.claws()
	case "refund":
		h.refunds()
	}
}

// do does something in a transaction: sometimes after a first try that was killed before its
// commit, and sometimes once again, which must change nothing.
func (h *history) do(f func(pgx.Tx) error) error {
	how := rapid.SampledFrom([]string{"once", "once", "killed", "again"}).Draw(h.t, "how")

	if how == "killed" {
		before := h.balance()

		_ = h.tx(func(tx pgx.Tx) error {
			_ = f(tx)

			return errKilled
		})

		require.Equal(h.t, before, h.balance())
	}

	err := h.tx(f)

	if how == "again" && err == nil {
		before := h.balance()
		require.NoError(h.t, h.tx(f))
		require.Equal(h.t, before, h.balance(), "doing it again changed the balance")
	}

	return err
}

func (h *history) grant() {
	g := credits.Grant{
		Subject: h.subject,
		Source: rapid.SampledFrom([]credits.Source{
			credits.SourcePack, credits.SourceSubscription, credits.SourcePromotion, credits.SourceOperator,
		}).Draw(h.t, "source"),
		Reference: fmt.Sprintf("creem:%s:%d", h.subject, len(h.references)),
		Credits:   rapid.Int64Range(1, 30).Draw(h.t, "credits"),
	}

	if hours := rapid.IntRange(0, 100).Draw(h.t, "life"); hours > 0 {
		g.ExpiresAt = h.in(time.Duration(hours) * time.Hour)
	}

	before := h.balance()

	require.NoError(h.t, h.do(func(tx pgx.Tx) error {
		_, err := h.Grant(h.ctx, tx, g)

		return err
	}))

	h.references = append(h.references, g.Reference)

	if !h.clawed {
		require.Equal(h.t, worth(before)+g.Credits, worth(h.balance()))
	}
}

func (h *history) holds() {
	task, n := uuid.New(), rapid.Int64Range(1, 20).Draw(h.t, "credits")
	before := h.balance()
	row := credits.Hold{UserID: h.user, TaskID: task, Credits: n, AutoRefundAt: h.time.Now().Add(24 * time.Hour)}

	err := h.do(func(tx pgx.Tx) error {
		_, err := h.Hold(h.ctx, tx, row)

		return err
	})

	switch {
	case before.Debt > 0:
		require.ErrorIs(h.t, err, credits.ErrInDebt)
		require.Equal(h.t, before, h.balance())
	case before.Available < n:
		var short *credits.ShortfallError

		require.ErrorAs(h.t, err, &short)
		require.Equal(h.t, credits.ShortfallError{Required: n, Available: before.Available}, *short)
		require.Equal(h.t, before, h.balance())
	default:
		require.NoError(h.t, err)
		require.Equal(h.t, credits.Balance{Available: before.Available - n, Held: before.Held + n}, h.balance())

		h.tasks = append(h.tasks, task)
	}
}

func (h *history) task() (uuid.UUID, bool) {
	if len(h.tasks) == 0 {
		return uuid.Nil, false
	}

	return rapid.SampledFrom(h.tasks).Draw(h.t, "task"), true
}

func (h *history) captures() {
	task, ok := h.task()
	if !ok {
		return
	}

	image, n := rapid.IntRange(0, 3).Draw(h.t, "image"), rapid.Int64Range(1, 8).Draw(h.t, "credits")

	err := h.do(func(tx pgx.Tx) error { return h.Capture(h.ctx, tx, task, image, n) })
	if err != nil && !errors.Is(err, credits.ErrClosed) {
		require.ErrorIs(h.t, err, credits.ErrExceeds)
	}
}

func (h *history) releases() {
	task, ok := h.task()
	if !ok {
		return
	}

	before := worth(h.balance()) + h.lapsed(task)

	require.NoError(h.t, h.do(func(tx pgx.Tx) error {
		_, err := h.Release(h.ctx, tx, task)

		return err
	}))

	if !h.clawed {
		require.Equal(h.t, before, worth(h.balance())+h.lapsed(task), "a release cost something")
	}
}

// lapsed is how much of what a generation gave back was not given anew.
func (h *history) lapsed(task uuid.UUID) (n int64) {
	entries, err := h.EntriesOf(h.ctx, h.pool, task)
	require.NoError(h.t, err)

	for _, e := range entries {
		if strings.HasPrefix(e.Sentence(), "Expired for good") {
			n -= e.Change.Available
		}
	}

	return n
}

func (h *history) claws() {
	// The grant may be one that comes later.
	c := credits.ClawBack{
		Subject: h.subject, Reference: fmt.Sprintf("creem:%s:%d", h.subject, rapid.IntRange(0, len(h.references)).Draw(h.t, "grant")),
		Event: fmt.Sprintf("%s:%d", h.subject, h.n), Credits: rapid.Int64Range(1, 40).Draw(h.t, "credits"),
		Reason: credits.ReasonPaymentRefunded,
	}

	h.clawed = true
	require.NoError(h.t, h.do(func(tx pgx.Tx) error { return h.ClawBack(h.ctx, tx, c) }))
}

func (h *history) refunds() {
	task, ok := h.task()
	if !ok {
		return
	}

	r := credits.Refund{
		TaskID: task, Request: fmt.Sprintf("%s:%d", h.subject, h.n), Credits: rapid.Int64Range(1, 5).Draw(h.t, "credits"),
		Actor: "operator", Reason: credits.ReasonQuality,
	}
	before := h.balance()

	err := h.do(func(tx pgx.Tx) error {
		_, err := h.Refund(h.ctx, tx, r)

		return err
	})
	if err != nil {
		require.ErrorIs(h.t, err, credits.ErrExceeds)

		return
	}

	require.Equal(h.t, worth(before)+r.Credits, worth(h.balance()))
}

// reap closes what is open, as the reaper does.
func (h *history) reap() {
	for _, task := range h.tasks {
		require.NoError(h.t, h.tx(func(tx pgx.Tx) error {
			_, err := h.Release(h.ctx, tx, task)

			return err
		}))
	}

	require.Zero(h.t, h.balance().Held)
}

// The order in which a provider's events arrive makes no difference to where they end (I10).
func TestEventsInAnyOrder(t *testing.T) {
	t.Parallel()

	pool := devtest.Postgres(t)

	rapid.Check(t, func(rt *rapid.T) {
		type event struct {
			grant   bool
			payment int
			credits int64
		}

		var events []event

		for p := range rapid.IntRange(1, 4).Draw(rt, "payments") {
			amount := rapid.Int64Range(1, 50).Draw(rt, "amount")
			if p > 0 { // the first has been used before all of it
				events = append(events, event{true, p, amount})
			}

			for range rapid.IntRange(0, 2).Draw(rt, "refunds") {
				events = append(events, event{false, p, rapid.Int64Range(1, amount).Draw(rt, "refunded")})
			}
		}

		spent := rapid.Int64Range(1, 50).Draw(rt, "spent")
		orders := [][]int{}

		for _, label := range []string{"first", "second", "third"} {
			order := make([]int, len(events))
			for i := range order {
				order[i] = i
			}

			orders = append(orders, rapid.Permutation(order).Draw(rt, label))
		}

		var want *credits.Balance

		for _, order := range orders {
			b, err := newBundle(t.Context(), pool)
			require.NoError(rt, err)

			reference := func(p int) string { return fmt.Sprintf("creem:%s:%d", b.subject, p) }
			grant := func(p int, n int64) {
				require.NoError(rt, b.tx(func(tx pgx.Tx) error {
					_, err := b.Grant(b.ctx, tx, credits.Grant{Subject: b.subject, Source: credits.SourcePack, Reference: reference(p), Credits: n})

					return err
				}))
			}

			task := uuid.New()
			grant(0, 50)
			require.NoError(rt, b.hold(task, spent))
			require.NoError(rt, b.capture(task, 0, spent))

			for _, i := range order {
				if e := events[i]; e.grant {
					grant(e.payment, e.credits)
				} else {
					require.NoError(rt, b.tx(func(tx pgx.Tx) error {
						return b.ClawBack(b.ctx, tx, credits.ClawBack{
							Subject: b.subject, Reference: reference(e.payment), Event: fmt.Sprintf("%s:%d", b.subject, i), Credits: e.credits,
						})
					}))
				}
			}

			got, err := b.Balance(b.ctx, pool, b.user)
			require.NoError(rt, err)

			if want == nil {
				want = &got
			}

			require.Equal(rt, *want, got)
		}
	})

	creditstest.Check(t, pool)
}
