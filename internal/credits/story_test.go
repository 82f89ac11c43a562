package credits_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/redact"
)

func line(e credits.Entry) string { return fmt.Sprintf("%+d %s", e.Credits(), e.Sentence()) }

func TestStory(t *testing.T) {
	t.Parallel()

	t.Run("HoldCaptureRelease", func(t *testing.T) {
		t.Parallel()

		b, task := setup(t), uuid.New()
		require.True(t, b.give(t, credits.SourcePack, "creem:1", 10, nil))
		require.False(t, b.give(t, credits.SourcePack, "creem:1", 10, nil))
		require.NoError(t, b.hold(task, 8))
		require.NoError(t, b.hold(task, 8))
		require.NoError(t, b.capture(task, 0, 2))
		require.NoError(t, b.capture(task, 0, 2))
		require.NoError(t, b.capture(task, 2, 2))
		require.ErrorIs(t, b.capture(task, 3, 5), credits.ErrExceeds)
		require.EqualValues(t, 4, b.release(t, task))
		require.Zero(t, b.release(t, task))
		require.ErrorIs(t, b.capture(task, 1, 2), credits.ErrClosed)
		require.ErrorIs(t, b.capture(uuid.New(), 1, 2), credits.ErrNoHold)

		require.Equal(t, []string{
			"+10 Credits that you bought.",
			"-8 Set aside for a generation.",
			"-2 Paid for image 1 of a generation.",
			"-2 Paid for image 3 of a generation.",
			"+4 Returned: the generation did not use them.",
		}, b.story(t))
		b.has(t, credits.Balance{Available: 6})

		of, err := b.EntriesOf(b.ctx, b.pool, task)
		require.NoError(t, err)
		require.Len(t, of, 4)
		require.Equal(t, credits.Balance{Available: 2, Held: 8}, of[0].After)
		require.Equal(t, task, of[1].TaskID)
	})

	t.Run("SpendsGiftsFirstThenWhatEndsFirst", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.give(t, credits.SourcePack, "creem:1", 5, nil)
		b.give(t, credits.SourcePack, "creem:2", 5, b.in(time.Hour))
		b.give(t, credits.SourcePromotion, "promo:1", 5, b.in(9*time.Hour))
		require.NoError(t, b.hold(uuid.New(), 7))

		left, err := b.Grants(b.ctx, b.pool, b.user)
		require.NoError(t, err)

		require.Equal(t, []string{"promotion0 5", "pack3 2", "pack5 0"}, spaced(left))
		b.has(t, credits.Balance{Available: 8, Held: 7})
	})

	t.Run("ExpiredWhileHeld", func(t *testing.T) {
		t.Parallel()

		b, task := setup(t), uuid.New()
		b.give(t, credits.SourcePromotion, "promo:1", 5, b.in(time.Hour))
		require.NoError(t, b.hold(task, 3))
		b.time.Move(time.Hour)
		b.has(t, credits.Balance{Held: 3})

		for range 2 {
			_, err := b.Expire(b.ctx, b.pool, 100)
			require.NoError(t, err)
		}

		require.EqualValues(t, 3, b.release(t, task))
		b.has(t, credits.Balance{Available: 3})
		require.Equal(t, []string{
			"+5 Promotional credits.",
			"-3 Set aside for a generation.",
			"-2 Reached their expiry date.",
			"+3 Returned: the generation did not use them.",
			"-3 Reached their expiry date.",
			"+3 Given anew for 72 hours: they expired while a generation held them.",
		}, b.story(t))

		b.time.Move(72 * time.Hour)
		b.has(t, credits.Balance{})
	})

	t.Run("PaymentTakenBack", func(t *testing.T) {
		t.Parallel()

		b, task := setup(t), uuid.New()
		b.give(t, credits.SourcePack, "creem:1", 10, nil)
		require.NoError(t, b.hold(task, 6))
		require.NoError(t, b.capture(task, 0, 2))
		b.claw(t, "creem:1", "event-1", 10)
		b.claw(t, "creem:1", "event-1", 10)
		b.has(t, credits.Balance{Held: 4, Debt: 2})
		require.ErrorIs(t, b.hold(uuid.New(), 1), credits.ErrInDebt)

		require.NoError(t, b.capture(task, 1, 2))
		b.has(t, credits.Balance{Held: 2, Debt: 4})
		b.release(t, task)
		b.has(t, credits.Balance{Debt: 4})
		b.give(t, credits.SourcePack, "creem:2", 10, nil)
		b.has(t, credits.Balance{Available: 6})

		require.Equal(t, []string{
			"+10 Credits that you bought.",
			"-6 Set aside for a generation.",
			"-2 Paid for image 1 of a generation.",
			"+0 A payment was refunded or disputed.",
			"-4 Taken back: their payment was refunded or disputed.",
			"-2 Owed: they were used, and their payment was refunded or disputed.",
			"-2 Paid for image 2 of a generation.",
			"-2 Owed: they were used, and their payment was refunded or disputed.",
			"+2 Returned: the generation did not use them.",
			"-2 Taken back: their payment was refunded or disputed.",
			"+10 Credits that you bought.",
			"-4 Used to pay what was owed.",
		}, b.story(t))
	})

	t.Run("TakenBackBeforeItCame", func(t *testing.T) {
		t.Parallel()

		b := setup(t)
		b.claw(t, "creem:1", "event-1", 4)
		b.give(t, credits.SourcePack, "creem:1", 10, nil)
		b.has(t, credits.Balance{Available: 6})
		b.claw(t, "creem:1", "event-3", 10)
		b.claw(t, "creem:1", "event-2", 7) // late, and says less
		b.has(t, credits.Balance{})
	})

	t.Run("Refund", func(t *testing.T) {
		t.Parallel()

		b, task := setup(t), uuid.New()
		b.give(t, credits.SourcePack, "creem:1", 10, nil)
		require.NoError(t, b.hold(task, 4))
		require.NoError(t, b.capture(task, 0, 4))
		b.release(t, task)

		refund := func(request string, n int64) (did bool, err error) {
			err = b.tx(func(tx pgx.Tx) error {
				did, err = b.Refund(b.ctx, tx, credits.Refund{TaskID: task, Request: request, Credits: n, Actor: "ada", Reason: credits.ReasonQuality})

				return err
			})

			return did, err
		}

		did, err := refund("1", 3)
		require.NoError(t, err)
		require.True(t, did)

		did, err = refund("1", 3)
		require.NoError(t, err)
		require.False(t, did)

		_, err = refund("1", 2)
		require.ErrorIs(t, err, credits.ErrMismatch)

		_, err = refund("2", 2)
		require.ErrorIs(t, err, credits.ErrExceeds)
		b.has(t, credits.Balance{Available: 9})

		of, err := b.EntriesOf(b.ctx, b.pool, task)
		require.NoError(t, err)
		require.Equal(t, "+3 Given back by our support for a generation.", line(of[len(of)-1]))
		require.Equal(t, credits.ReasonQuality, of[len(of)-1].Reason)
		require.Equal(t, "ada", of[len(of)-1].Actor)

		booked, err := b.Booked(b.ctx, b.pool, "refund:1")
		require.NoError(t, err)
		require.Equal(t, of[len(of)-1], booked)

		_, err = b.Booked(b.ctx, b.pool, "refund:2")
		require.ErrorIs(t, err, credits.ErrNotBooked)

		whose, err := b.Holder(b.ctx, b.pool, task)
		require.NoError(t, err)
		require.Equal(t, b.user, whose)

		require.NoError(t, b.tx(func(tx pgx.Tx) error { return b.Forget(b.ctx, tx, b.user) }))
		whose, err = b.Holder(b.ctx, b.pool, task)
		require.NoError(t, err)
		require.Equal(t, uuid.Nil, whose)

		_, err = b.Holder(b.ctx, b.pool, uuid.New())
		require.ErrorIs(t, err, credits.ErrNoHold)
	})

	t.Run("TheReaperFindsWhatIsOverdue", func(t *testing.T) {
		t.Parallel()

		b, task := setup(t), uuid.New()
		b.give(t, credits.SourcePack, "creem:1", 10, nil)
		require.NoError(t, b.hold(task, 4))

		ids, err := b.Overdue(b.ctx, b.pool, 10)
		require.NoError(t, err)
		require.Empty(t, ids)

		b.time.Move(time.Hour)

		ids, err = b.Overdue(b.ctx, b.pool, 10)
		require.NoError(t, err)
		require.Equal(t, []uuid.UUID{task}, ids)
	})
}

func spaced(left []credits.Holding) []string {
	var list []string
	for _, g := range left {
		list = append(list, fmt.Sprintf("%s%d %d", g.Source, g.Remaining, g.Held))
	}

	return list
}

func TestSignup(t *testing.T) {
	t.Parallel()

	b := setup(t)
	welcome := func(l *credits.Ledger, subject uuid.UUID, address string) (did bool) {
		require.NoError(t, b.tx(func(tx pgx.Tx) (err error) {
			did, err = l.Signup(b.ctx, tx, subject, redact.NewPersonal(address), 5, nil)

			return err
		}))

		return did
	}

	require.True(t, welcome(b.Ledger, b.subject, "Ada@example.com"))
	require.False(t, welcome(b.Ledger, b.subject, "ada@example.com"))
	require.False(t, welcome(b.Ledger, b.subject, "another@example.com"), "an account has them once")
	b.has(t, credits.Balance{Available: 5})

	// The account goes and comes again.
	require.NoError(t, b.tx(func(tx pgx.Tx) error { return b.Forget(b.ctx, tx, b.user) }))
	b.has(t, credits.Balance{})

	again, err := newBundle(t.Context(), b.pool)
	require.NoError(t, err)
	require.False(t, welcome(b.Ledger, again.subject, " ADA@example.com"))

	// A newer key does not forget what the earlier one marked.
	rotated := credits.New(credits.Options{Now: b.time.Now, SignupKeys: []redact.Secret{redact.NewSecret("newer"), redact.NewSecret("a key")}})
	require.False(t, welcome(rotated, again.subject, "ada@example.com"))
	require.True(t, welcome(rotated, again.subject, "grace@example.com"))
}

// An account that is erased leaves a ledger that balances, and its holds can still end.
func TestForget(t *testing.T) {
	t.Parallel()

	b, task := setup(t), uuid.New()
	b.give(t, credits.SourcePack, "creem:1", 10, nil)
	require.NoError(t, b.hold(task, 4))

	for range 2 {
		require.NoError(t, b.tx(func(tx pgx.Tx) error { return b.Forget(b.ctx, tx, b.user) }))
	}

	require.NoError(t, b.capture(task, 0, 2))
	require.EqualValues(t, 2, b.release(t, task))
	require.ErrorIs(t, b.hold(uuid.New(), 1), credits.ErrInsufficient)
	b.has(t, credits.Balance{})
}

// The database refuses what would make the ledger wrong, whichever role asks.
func TestTheDatabaseRefuses(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.give(t, credits.SourcePack, "creem:1", 10, nil)

	entry := `insert into ledger_txn (subject, sequence, kind, business_key, actor, available, held, debt, created_at)
		values ('%s', %d, 'grant', 'grant:x', 'system', %d, 0, 0, now());`
	posting := `insert into ledger_posting (subject, sequence, account, amount) values ('%s', %d, '%s', %d);`
	balance := `update user_credit set version = %d, available = %d where subject = '` + b.subject.String() + `';`
	s := b.subject.String()

	for name, sql := range map[string]string{
		"Change":           `update ledger_txn set available = 11`,
		"Remove":           `delete from ledger_posting`,
		"Unbalanced":       fmt.Sprintf(entry+posting+balance, s, 2, 11, s, 2, "available", 1, 2, 11),
		"Gap":              fmt.Sprintf(entry+posting+posting+balance, s, 3, 11, s, 3, "available", 1, s, 3, "issued_free", -1, 3, 11),
		"DoesNotFollow":    fmt.Sprintf(entry+posting+posting+balance, s, 2, 12, s, 2, "available", 1, s, 2, "issued_free", -1, 2, 12),
		"BalanceNotTold":   fmt.Sprintf(entry+posting+posting, s, 2, 11, s, 2, "available", 1, s, 2, "issued_free", -1),
		"BalanceAlone":     fmt.Sprintf(balance, 1, 11),
		"MoreToAnOldEntry": fmt.Sprintf(posting+posting, s, 1, "revenue", 1, s, 1, "held", -1),
		"GrantOutOfNought": `update credit_grant set remaining = remaining + 1`,
		"BothDebtAndMore":  `update user_credit set debt = 1`,
		"UnknownReason":    `insert into ledger_txn select subject, 2, kind, source, 'x', null, null, actor, 'she said so', 10, 0, 0, now() from ledger_txn`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			err := b.tx(func(tx pgx.Tx) error {
				_, err := tx.Exec(b.ctx, sql, pgx.QueryExecModeSimpleProtocol)

				return err
			})

			var refused *pgconn.PgError

			require.ErrorAs(t, err, &refused)
			require.Contains(t, []string{"23000", "23514", "42501"}, refused.Code, refused.Message)
		})
	}
}
