package credits_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/credits"
	"imagerun/internal/credits/creditstest"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/redact"
)

// newcomers is a ledger that welcomes, and people who sign up.
type newcomers struct {
	*bundle

	accounts *pgxpool.Pool // as the owner of the database
}

func welcoming(t *testing.T) newcomers {
	t.Helper()

	app, _, owner := devtest.PostgresURLs(t)
	b, err := newBundle(t.Context(), devtest.Pool(t, app))
	require.NoError(t, err)

	b.Ledger = credits.New(credits.Options{
		Now: b.time.Now, SignupKeys: []redact.Secret{redact.NewSecret("a key")}, Welcome: 20, WelcomeLife: 24 * time.Hour,
	})

	return newcomers{b, devtest.Pool(t, owner)}
}

func (n newcomers) sign(t *testing.T, address string, verified bool) uuid.UUID {
	t.Helper()

	id := uuid.New()
	n.account(t, `insert into auth."user" ("id", "name", "email", "emailVerified", "createdAt", "updatedAt") values ($1, '', $2, $3, now(), now())`,
		id, address, verified)

	return id
}

func (n newcomers) account(t *testing.T, sql string, args ...any) {
	t.Helper()

	_, err := n.accounts.Exec(t.Context(), sql, args...)
	require.NoError(t, err)
}

func (n newcomers) welcome(t *testing.T, user uuid.UUID) bool {
	t.Helper()

	var given bool

	require.NoError(t, n.tx(func(tx pgx.Tx) (err error) {
		given, err = n.GiveWelcome(n.ctx, tx, user)

		return err
	}))

	return given
}

func (n newcomers) available(t *testing.T, user uuid.UUID) int64 {
	t.Helper()

	have, err := n.Balance(n.ctx, n.pool, user)
	require.NoError(t, err)

	return have.Available
}

func TestWelcome(t *testing.T) {
	t.Parallel()

	t.Run("OnceForEachAddressForEver", func(t *testing.T) {
		t.Parallel()

		n := welcoming(t)
		ann := n.sign(t, "ann@example.com", true)
		require.True(t, n.welcome(t, ann))
		require.False(t, n.welcome(t, ann))
		require.EqualValues(t, 20, n.available(t, ann))

		// The account goes, and comes again under the same address.
		require.NoError(t, n.tx(func(tx pgx.Tx) error { return n.Forget(n.ctx, tx, ann) }))
		again := n.sign(t, " ANN@example.com", true)
		require.False(t, n.welcome(t, again))
		require.Zero(t, n.available(t, again))
		creditstest.Check(t, n.pool)
	})

	t.Run("OnceForEachMailbox", func(t *testing.T) {
		t.Parallel()

		n := welcoming(t)

		for _, mailbox := range [][]string{
			{"Ann@example.com", "ann+1@example.com", "ann+a+b@example.com", "ANN+@example.com"},
			{"ann+1@example.org", "ann@example.org"},
			{"an.n@example.com"}, // its provider may mean another by it
			{"ann1@example.com"},
			{"+ann@example.com"},
			{"+bob@example.com"},
			{"ann@gmail.com", "a.n.n@gmail.com", "Ann+x.y@gmail.com", "a.nn+1@googlemail.com"},
			{"bob.x+1@googlemail.com", "bobx@gmail.com"},
			{"bob.x@pm.me", "bobx+1@proton.me", "b.obx@protonmail.com"},
			{`"a@b+c"@example.com`, `"a@b+d"@example.com`},
		} {
			for i, address := range mailbox {
				require.Equal(t, i == 0, n.welcome(t, n.sign(t, address, true)), address)
			}
		}

		creditstest.Check(t, n.pool)
	})

	t.Run("AddressesMarkedBeforeStayMarked", func(t *testing.T) {
		t.Parallel()

		n := welcoming(t)

		// As the release before did it: by the address alone.
		for _, address := range []string{"ann@example.com", "ann+1@example.org", "bob@googlemail.com"} {
			user, digest := n.sign(t, address, true), sha256.Sum256([]byte(address))

			require.NoError(t, n.tx(func(tx pgx.Tx) error {
				subject, err := n.Subject(n.ctx, tx, user)
				require.NoError(t, err)

				given, err := n.Signup(n.ctx, tx, subject, redact.NewPersonal(hex.EncodeToString(digest[:])), 20, nil)
				require.True(t, given)

				return err
			}))
			require.NoError(t, n.tx(func(tx pgx.Tx) error { return n.Forget(n.ctx, tx, user) }))
			n.account(t, `delete from auth."user" where "id" = $1`, user)
		}

		require.False(t, n.welcome(t, n.sign(t, "ann@example.com", true)))
		require.False(t, n.welcome(t, n.sign(t, "ann+1@example.com", true)))
		require.False(t, n.welcome(t, n.sign(t, "ann+1@example.org", true)))
		require.False(t, n.welcome(t, n.sign(t, "bob@googlemail.com", true)))
		creditstest.Check(t, n.pool)
	})

	t.Run("NotBeforeTheAddressIsVerified", func(t *testing.T) {
		t.Parallel()

		n := welcoming(t)
		ann := n.sign(t, "ann@example.com", false)
		require.False(t, n.welcome(t, ann))
		require.False(t, n.welcome(t, uuid.New()))

		n.account(t, `update auth."user" set "emailVerified" = true where "id" = $1`, ann)
		require.True(t, n.welcome(t, ann))
	})

	t.Run("ExpiresIfTheOperatorSaysSo", func(t *testing.T) {
		t.Parallel()

		n := welcoming(t)
		ann := n.sign(t, "ann@example.com", true)
		n.welcome(t, ann)
		n.time.Move(24 * time.Hour)
		require.Zero(t, n.available(t, ann))
	})

	t.Run("WhoeverSpendsFirstHasThem", func(t *testing.T) {
		t.Parallel()

		n := welcoming(t)
		ann := n.sign(t, "ann@example.com", true)

		var (
			group sync.WaitGroup
			held  = make([]error, 8)
		)

		for i := range held {
			group.Go(func() {
				held[i] = n.tx(func(tx pgx.Tx) error {
					_, err := n.Hold(n.ctx, tx, credits.Hold{UserID: ann, TaskID: uuid.New(), Credits: 5, AutoRefundAt: n.time.Now().Add(time.Hour)})

					return err
				})
			})
		}

		group.Wait()

		var refused int

		for _, err := range held {
			if err != nil {
				require.ErrorIs(t, err, credits.ErrInsufficient)

				refused++
			}
		}

		require.Equal(t, 4, refused, "twenty credits are four times five")
		creditstest.Check(t, n.pool)
	})

	t.Run("TwoAccountsOfOneAddressAtOnce", func(t *testing.T) {
		t.Parallel()

		n := welcoming(t)

		for round := range 10 {
			var (
				group sync.WaitGroup
				given = make([]bool, 8)
				errs  = make([]error, 8)
			)

			for i := range given {
				// Spaces, capitals and what is behind a plus make another account, and no other mailbox.
				user := n.sign(t, fmt.Sprintf("%*sann%d+%d@Example.com", i, "", round, i), true)

				group.Go(func() {
					errs[i] = n.tx(func(tx pgx.Tx) (err error) {
						given[i], err = n.GiveWelcome(n.ctx, tx, user)

						return err
					})
				})
			}

			group.Wait()
			require.NoError(t, errors.Join(errs...))

			times := 0

			for _, did := range given {
				if did {
					times++
				}
			}

			require.Equal(t, 1, times)
		}

		creditstest.Check(t, n.pool)
	})

	// The ledger of a new user is made by the transaction that comes first, while others give and spend.
	t.Run("ManyAtOnceForNewcomers", func(t *testing.T) {
		t.Parallel()

		n := welcoming(t)

		for round := range 15 {
			var (
				ann   = n.sign(t, fmt.Sprintf("ann%d@example.com", round), true)
				group sync.WaitGroup
				errs  = make([]error, 12)
			)

			for i := range errs {
				group.Go(func() {
					errs[i] = n.tx(func(tx pgx.Tx) error {
						if i%3 > 0 {
							_, err := n.GiveWelcome(n.ctx, tx, ann)

							return err
						}

						subject, err := n.Subject(n.ctx, tx, ann)
						if err == nil {
							_, err = n.Grant(n.ctx, tx, credits.Grant{Subject: subject, Source: credits.SourcePack, Reference: fmt.Sprint(round, ":", i), Credits: 3})
						}

						return err
					})
				})
			}

			group.Wait()
			require.NoError(t, errors.Join(errs...))
			require.EqualValues(t, 20+4*3, n.available(t, ann))
		}

		var ledgers int
		require.NoError(t, n.pool.QueryRow(t.Context(), `select count(*) from user_credit`).Scan(&ledgers))
		require.Equal(t, 15+1, ledgers, "one for each, and the bundle's own")
		creditstest.Check(t, n.pool)
	})
}
