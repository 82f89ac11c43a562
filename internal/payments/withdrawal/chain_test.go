package withdrawal_test

import (
	"regexp"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/payments/paymentstest"
)

// declareThree withdraws from three orders, and returns the numbers of the withdrawals.
func (b *bundle) declareThree(t *testing.T) {
	t.Helper()

	for range 3 {
		b.withdraw(t, b.books.BuyPack(b.person, "pack-small", false))
	}

	require.Empty(t, b.verify(t))
}

// verify is what breaks the chain.
func (b *bundle) verify(t *testing.T) (lines []string) {
	t.Helper()

	broken, err := b.Verify(t.Context())
	require.NoError(t, err)

	for _, one := range broken {
		lines = append(lines, one.String())
	}

	return lines
}

func TestChain_RefusesChanges(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.declareThree(t)

	for _, sql := range []string{
		`update payment_withdrawal set amount = 1`, `update payment_withdrawal set content = content`,
		`delete from payment_withdrawal`, `truncate payment_withdrawal`,
	} {
		_, err := b.owner.Exec(t.Context(), sql)

		var refused *pgconn.PgError

		require.ErrorAs(t, err, &refused, sql)
		require.Contains(t, refused.Message, "withdrawals stay as they were declared", sql)
	}
}

var isRefund = regexp.MustCompile(`refund [0-9a-f-]{36}`) //nolint:gochecknoglobals // a constant

// The owner of the database can have its triggers look away; the chain does not.
func TestChain_BreaksWhenARowIsChanged(t *testing.T) {
	t.Parallel()

	for sql, want := range map[string][]string{
		`update payment_withdrawal set amount = 1 where number = 2`:                                  {"withdrawal 2: it was changed"},
		`update payment_withdrawal set content = content || ' ' where number = 1`:                    {"withdrawal 1: it was changed"},
		`update payment_withdrawal set declared_at = declared_at - interval '1 us' where number = 3`: {"withdrawal 3: it was changed"},
		`update payment_withdrawal set hash = sha256('forged') where number = 2`:                     {"withdrawal 2: it was changed", "withdrawal 3: it does not follow the one before"},
		`update payment_withdrawal set number = 4 where number = 3`:                                  {"withdrawal 4: those before it are missing; it was changed"},
		`update payment_withdrawal set previous_hash = sha256('an older one') where number = 1`:      {"withdrawal 1: it is not the first; it was changed"},
		`delete from payment_withdrawal where number = 2`:                                            {"withdrawal 3: those before it are missing", "withdrawal 0: refund … is for one that is not there"},
		`delete from payment_withdrawal where number = 3`:                                            {"withdrawal 0: refund … is for one that is not there"},
		`delete from payment_withdrawal where number = 1`:                                            {"withdrawal 0: refund … is for one that is not there"},
	} {
		t.Run(sql, func(t *testing.T) {
			t.Parallel()

			b := setup(t)
			b.declareThree(t)

			_, err := b.owner.Exec(t.Context(), `alter table payment_withdrawal disable trigger all; `+sql+`; alter table payment_withdrawal enable trigger all`)
			require.NoError(t, err)

			got := b.verify(t)
			require.Len(t, got, len(want))

			for i, line := range got {
				require.Equal(t, want[i], isRefund.ReplaceAllString(line, "refund …"))
			}
		})
	}
}

// What is seven years old goes; the chain begins with the oldest that is left.
func TestChain_BeginsWithTheOldest(t *testing.T) {
	t.Parallel()

	b := setup(t)
	b.books.Time.Move(-8 * 365 * day)
	b.declareThree(t)
	b.books.Time.Move(8 * 365 * day)
	b.declareThree(t)

	b.books.Exec(`delete from payment_withdrawal where number < 3`)
	require.Equal(t, 4, paymentstest.Read[int](b.books, `select count(*) from payment_withdrawal`))
	require.Empty(t, b.verify(t))
}

// Many at once make one chain, and of one order one withdrawal.
func TestChain_AtOnce(t *testing.T) {
	t.Parallel()

	const many = 8

	b := setup(t)

	var (
		wg     sync.WaitGroup
		orders []uuid.UUID
	)

	for range many {
		orders = append(orders, b.books.BuyPack(b.person, "pack-small", false))
	}

	for _, order := range orders {
		token := b.offer(t, order).Token

		for range 2 {
			wg.Go(func() {
				_, err := b.Declare(t.Context(), b.person.ID, order, token)
				if err != nil {
					t.Errorf("declare: %v", err)
				}
			})
		}
	}

	wg.Wait()
	require.Empty(t, b.verify(t))
	require.Equal(t, many, paymentstest.Read[int](b.books, `select max(number) from payment_withdrawal`))
	require.Equal(t, many, paymentstest.Read[int](b.books, `select count(*) from payment_refund`))
	b.has(t, credits.Balance{})
}
