package generation_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/fault"
	"imagerun/internal/generation"
	"imagerun/internal/providers"
)

// two asks for two pictures of five credits each.
func two(s *generation.Submission) { s.Model, s.NumImages = "flux-dev", new(2) }

// poor makes the bundle's user somebody with so many credits.
func (b *bundle) poor(t *testing.T, n int64) {
	t.Helper()

	b.user = uuid.New()
	b.fund(t, b.user, n)
}

// story is what happened to the user's credits, oldest first, without the grant at its beginning.
func (b *bundle) story(t *testing.T) []string {
	t.Helper()

	entries, err := b.credits.Entries(t.Context(), b.pool, b.user, 0, 100)
	require.NoError(t, err)
	slices.Reverse(entries)

	lines := make([]string, 0, len(entries))
	for _, e := range entries[1:] {
		lines = append(lines, fmt.Sprintf("%+d %s", e.Credits(), e.Sentence()))
	}

	return lines
}

const (
	aside    = "-10 Set aside for a generation."
	first    = "-5 Paid for image 1 of a generation."
	second   = "-5 Paid for image 2 of a generation."
	half     = "+5 Returned: the generation did not use them."
	all      = "+10 Returned: the generation did not use them."
	nothing  = "Nothing was charged."
	oneOfTwo = "5 credits were charged for the pictures that came; the rest was returned."
)

// TestMoney_OfEachEnding tells, for every way in which a generation ends, what its user reads.
func TestMoney_OfEachEnding(t *testing.T) {
	t.Parallel()

	finish := func(edits ...func(*providers.Result)) func(*testing.T, *bundle, uuid.UUID) {
		return func(t *testing.T, b *bundle, _ uuid.UUID) {
			t.Helper()
			b.admit(t)
			b.provider.finish(t, 0, edits...)
			b.pass(t, 30*time.Second)
		}
	}

	// between does something when the first picture is stored and the second is on its way.
	between := func(do func(*testing.T, *bundle, uuid.UUID)) func(*testing.T, *bundle, uuid.UUID) {
		return func(t *testing.T, b *bundle, id uuid.UUID) {
			t.Helper()

			puts := 0
			b.bucket.before = func(string) error {
				if puts++; puts == 3 {
					do(t, b, id)
				}

				return nil
			}

			finish()(t, b, id)
		}
	}
	cancel := func(t *testing.T, b *bundle, id uuid.UUID) {
		t.Helper()

		_, err := b.Cancel(t.Context(), b.user, id)
		require.NoError(t, err)
	}
	expire := func(t *testing.T, b *bundle, _ uuid.UUID) {
		t.Helper()
		b.now.Move(time.Hour)

		_, err := b.ExpireDue(t.Context())
		require.NoError(t, err)
	}

	for name, c := range map[string]struct {
		ends   func(t *testing.T, b *bundle, id uuid.UUID)
		status generation.Status
		want   []string
		text   string
	}{
		"Succeeded":           {finish(), generation.StatusSucceeded, []string{aside, first, second}, bothPaid},
		"Partial":             {finish(func(r *providers.Result) { r.Images = r.Images[:1] }), generation.StatusPartial, []string{aside, first, half}, oneOfTwo},
		"OneBlocked":          {finish(func(r *providers.Result) { r.Images[0].Blocked = true }), generation.StatusPartial, []string{aside, second, half}, oneOfTwo},
		"Blocked":             {finish(func(r *providers.Result) { r.Images[0].Blocked, r.Images[1].Blocked = true, true }), generation.StatusBlocked, []string{aside, all}, nothing},
		"Failed":              {finish(func(r *providers.Result) { r.Images = nil }), generation.StatusFailed, []string{aside, all}, nothing},
		"CanceledWhileInLine": {cancel, generation.StatusCanceled, []string{aside, all}, nothing},
		"CanceledWhileItRuns": {
			func(t *testing.T, b *bundle, id uuid.UUID) { t.Helper(); b.admit(t); cancel(t, b, id) },
			generation.StatusCanceled, []string{aside, all}, nothing,
		},
		"CanceledAfterOneOfTwo": {between(cancel), generation.StatusSucceeded, []string{aside, first, second}, bothPaid},
		"Expired":               {expire, generation.StatusExpired, []string{aside, all}, nothing},
		"ExpiredAfterOneOfTwo":  {between(expire), generation.StatusPartial, []string{aside, first, half}, oneOfTwo},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.poor(t, 12)

			g := b.submit(t, two)
			require.Equal(t, "10 credits were set aside until it ends.", g.Cost.Sentence())
			require.Equal(t, []int64{10, 10}, []int64{g.Cost.Quoted, g.Cost.Held})

			c.ends(t, b, g.ID)
			b.bucket.before = nil
			b.pass(t, time.Hour)

			g = b.get(t, g.ID)
			require.Equal(t, c.status, g.Status)
			require.Equal(t, c.want, b.story(t))
			require.Equal(t, c.text, g.Cost.Sentence())
			require.Zero(t, g.Cost.Held)
			b.check(t)

			// Whatever comes after the end costs nothing.
			if _, err := b.Cancel(t.Context(), b.user, g.ID); g.Status != generation.StatusCanceled {
				require.ErrorIs(t, err, generation.ErrNotCancelable)
				require.Contains(t, fault.Of(err).Detail, c.text)
			} else {
				require.NoError(t, err)
			}

			require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
			b.pass(t, time.Hour)
			require.Equal(t, c.want, b.story(t))
			b.check(t)
		})
	}

	t.Run("DeletedWhileItRuns", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.poor(t, 12)

		g := b.start(t, two)
		require.NoError(t, b.Delete(t.Context(), b.user, g.ID))
		b.provider.finish(t, 0)
		b.pass(t, time.Hour)
		require.Equal(t, []string{aside, all}, b.story(t))
		b.check(t)
	})

	t.Run("MadeByACheaperModel", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.poor(t, 12)
		b.provider.failAll = errModel

		g := b.start(t, two, func(s *generation.Submission) { s.FallbackModels = []string{"flux-schnell"} })
		for b.provider.requests[b.provider.asked()-1].Endpoint != "fal-ai/flux/schnell" {
			b.pass(t, 40*time.Second)
		}

		b.provider.failAll = nil
		b.provider.finish(t, b.provider.asked()-1)
		b.pass(t, 40*time.Second)

		g = b.get(t, g.ID)
		require.Equal(t, "flux-schnell", g.ServedModel)
		require.Equal(t, []string{
			aside, "-1 Paid for image 1 of a generation.", "-1 Paid for image 2 of a generation.", "+8 Returned: the generation did not use them.",
		}, b.story(t))
		require.EqualValues(t, 10, g.Cost.Quoted)
		b.check(t)
	})

	t.Run("WhenTheCreditsExpireMeanwhile", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.user = uuid.New()
		b.grant(t, b.user, credits.Grant{Source: credits.SourceSubscription, Reference: "sub:1", Credits: 10, ExpiresAt: new(b.now.Now().Add(time.Minute))})

		g := b.start(t, two)
		b.now.Move(2 * time.Minute)
		cancel(t, b, g.ID)
		b.jobs.RunAll(t.Context())
		require.Equal(t, []string{
			aside, all, "-10 Reached their expiry date.", "+10 Given anew for 72 hours: they expired while a generation held them.",
		}, b.story(t))
		b.check(t)
	})
}

func TestMoney_Refusals(t *testing.T) {
	t.Parallel()

	refused := func(t *testing.T, b *bundle) error {
		t.Helper()

		s := submission(b, two)
		s.IdempotencyKey, s.Fingerprint = "k", []byte("f")
		_, err := b.Submit(t.Context(), s)

		var n int
		require.NoError(t, b.pool.QueryRow(t.Context(), `select (select count(*) from ai_task) + (select count(*) from ai_image)
			+ (select count(*) from generation_event) + (select count(*) from credit_hold) + (select count(*) from idempotency_record)`).Scan(&n))
		require.Zero(t, n, "a refusal leaves nothing")
		b.check(t)

		return err
	}

	t.Run("NotEnough", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.poor(t, 9)

		err := refused(t, b)
		require.ErrorIs(t, err, credits.ErrInsufficient)

		var short *credits.ShortfallError
		require.ErrorAs(t, err, &short)
		require.Equal(t, credits.ShortfallError{Required: 10, Available: 9}, *short)
	})

	t.Run("NeverHadAny", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.user = uuid.New()
		require.ErrorIs(t, refused(t, b), credits.ErrInsufficient)
	})

	t.Run("InDebt", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.poor(t, 20)
		b.ledger(t, func(tx pgx.Tx) error {
			subject, err := b.credits.Subject(t.Context(), tx, b.user)
			if err == nil {
				_, err = b.credits.Hold(t.Context(), tx, credits.Hold{UserID: b.user, TaskID: uuid.Nil, Credits: 15, AutoRefundAt: b.now.Now()})
			}

			if err == nil {
				err = b.credits.Capture(t.Context(), tx, uuid.Nil, 0, 15)
			}

			if err == nil {
				err = b.credits.ClawBack(t.Context(), tx, credits.ClawBack{
					Subject: subject, Reference: "creem:" + b.user.String(), Event: "refund", Credits: 20, Reason: credits.ReasonPaymentRefunded,
				})
			}

			return err
		})

		_, err := b.Submit(t.Context(), submission(b, two))
		require.ErrorIs(t, err, credits.ErrInDebt)
	})
}
