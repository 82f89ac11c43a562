package betterauth_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/authtest"
	"imagerun/internal/auth/betterauth"
	"imagerun/internal/devstack/devtest"
)

func TestPurge(t *testing.T) {
	t.Parallel()

	appURL, authURL, ownerURL := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	accounts, owner := betterauth.NewAccounts(devtest.Pool(t, appURL)), devtest.Pool(t, ownerURL)

	exec := func(sql string, args ...any) {
		t.Helper()

		_, err := owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
	}

	left := func(table string) (n int) {
		t.Helper()
		require.NoError(t, owner.QueryRow(t.Context(), `select count(*) from `+table).Scan(&n))

		return n
	}

	unverified := func(email string) string {
		res, body := server.Call(t, "/sign-up/email", map[string]string{"name": "Test", "email": email, "password": "long enough"})
		require.Equal(t, http.StatusOK, res.StatusCode, body)

		return email
	}

	kept, gone := server.SignUp(t), server.SignUp(t)

	unverified("young@example.com")

	for i := range 5 {
		unverified(strings.Repeat("a", i+1) + "@example.com")
	}

	withKey := unverified("with-key@example.com")
	exec(`insert into api_key (user_id, name, prefix, secret_hash, scopes) select "id", '', '', '', '{}' from auth."user" where "email" = $1`, withKey)

	for _, u := range []authtest.User{kept, gone} {
		res, body := server.Call(t, "/request-password-reset", map[string]string{"email": u.Email})
		require.Equal(t, http.StatusOK, res.StatusCode, body)
	}

	n, err := accounts.Purge(t.Context(), 100)
	require.NoError(t, err)
	require.Zero(t, n, "nothing is over")

	exec(`update auth."user" set "createdAt" = now() - interval '7 days' where "email" <> 'young@example.com'`)
	exec(`update auth."session" set "expiresAt" = now() where "userId" = $1`, gone.ID)
	exec(`update auth."verification" set "expiresAt" = now() where "value" = $1`, gone.ID.String())
	exec(`update auth_mail set created_at = now() - interval '24 hours' where user_id = $1`, gone.ID)
	exec(`truncate auth."rateLimit"`)
	exec(`insert into auth."rateLimit" ("key", "count", "lastRequest") select n::text, 1, (extract(epoch from now()) - n * 3600) * 1000 from unnest('{23, 24}'::integer[]) n`)

	// Some at a time, and as often as it takes.
	for want := range []int{0, 1, 2} {
		n, err = accounts.Purge(t.Context(), 2)
		require.NoError(t, err)
		require.Equal(t, []int{2, 2, 1}[want], n)
	}

	require.Equal(t, 4, left(`auth."user"`), "two are verified, one is young, one has a key")
	require.Equal(t, 4, left(`auth."account"`))
	require.Equal(t, 1, left(`auth."session"`))
	require.Equal(t, 1, left(`auth."verification"`))
	require.Equal(t, 1, left(`auth."rateLimit"`))
	require.Zero(t, left(`auth_mail m where not exists (select from auth."user" u where u."id" = m.user_id)`))
	require.Zero(t, left(`auth_mail where created_at < now() - interval '23 hours'`))
	require.Equal(t, 2, left(`auth_mail where user_id = '`+kept.ID.String()+`'`))
}

func TestAddressOf(t *testing.T) {
	t.Parallel()

	appURL, authURL, _ := devtest.PostgresURLs(t)
	user := authtest.Start(t, appURL, authURL, authtest.Options{}).SignUp(t)
	accounts := betterauth.NewAccounts(devtest.Pool(t, appURL))

	address, err := accounts.AddressOf(t.Context(), user.ID)
	require.NoError(t, err)
	require.Equal(t, user.Email, address.Reveal())

	address, err = accounts.AddressOf(t.Context(), uuid.New())
	require.NoError(t, err)
	require.True(t, address.IsZero())
}
