package betterauth_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/authtest"
	"imagerun/internal/auth/proxy"
	"imagerun/internal/devstack/devtest"
)

// A thief of an account, in whatever way, is out when its password is replaced.
func TestPassword_ReplacedEndsEverythingElse(t *testing.T) {
	t.Parallel()

	appURL, authURL, ownerURL := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	owner := devtest.Pool(t, ownerURL)

	resetToken := func(u authtest.User) string {
		res, body := server.Call(t, "/request-password-reset", map[string]string{"email": u.Email, "redirectTo": "/reset"})
		require.Equal(t, http.StatusOK, res.StatusCode, body)

		link, err := url.Parse(server.Mail(t, "reset-password", u.Email))
		require.NoError(t, err)

		return strings.TrimPrefix(link.Path, proxy.Prefix+"/reset-password/")
	}

	reset := func(token string) (int, string) {
		res, body := server.Call(t, "/reset-password", map[string]string{"newPassword": "another horse battery", "token": token})

		return res.StatusCode, body
	}

	count := func(sql string, u authtest.User) (n int) {
		require.NoError(t, owner.QueryRow(t.Context(), sql, u.ID).Scan(&n))

		return n
	}

	sessions := func(u authtest.User) int { return count(`select count(*) from auth."session" where "userId" = $1`, u) }

	for name, replace := range map[string]func(t *testing.T, u authtest.User) (body string, sessionsLeft int){
		"Reset": func(t *testing.T, u authtest.User) (string, int) {
			t.Helper()

			status, body := reset(resetToken(u))
			require.Equal(t, http.StatusOK, status, body)

			return body, 0
		},
		"Change": func(t *testing.T, u authtest.User) (string, int) {
			t.Helper()

			res, body := server.Call(t, "/change-password",
				map[string]any{"currentPassword": u.Password, "newPassword": "another horse battery", "revokeOtherSessions": false},
				func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+u.Bearer) })
			require.Equal(t, http.StatusOK, res.StatusCode, body)
			require.NotEmpty(t, res.Header.Get("Set-Auth-Token"))
			require.NotEqual(t, u.Bearer, res.Header.Get("Set-Auth-Token"))

			return body, 1 // a new one, of the owner who changed it
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			u, other := server.SignUp(t), server.SignUp(t)
			server.SignIn(t, &u)
			require.Equal(t, 2, sessions(u))

			for _, who := range []authtest.User{u, other} {
				_, err := owner.Exec(t.Context(), `insert into api_key (user_id, name, prefix, secret_hash, scopes) values ($1, '', '', '', '{}')`, who.ID)
				require.NoError(t, err)
			}

			const live = `select count(*) from api_key where user_id = $1 and revoked_at is null`

			stolen, others := resetToken(u), resetToken(other)
			answer, left := replace(t, u)

			require.Equal(t, left, sessions(u))
			require.Zero(t, count(live, u))

			status, body := reset(stolen)
			require.Equal(t, http.StatusBadRequest, status, body)
			require.NotContains(t, body, "have ended")
			require.Contains(t, answer, "All other sessions, all reset links and all API keys of the account have ended.")

			// And no other user is out.
			require.Equal(t, 1, sessions(other))
			require.Equal(t, 1, count(live, other))

			status, body = reset(others)
			require.Equal(t, http.StatusOK, status, body)
		})
	}
}

// An address that was not proved is its last claimant's: an earlier one who waits for the owner to verify has nothing.
func TestSignUp_AgainOfAnUnverifiedAddress(t *testing.T) {
	t.Parallel()

	appURL, authURL, ownerURL := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	owner := devtest.Pool(t, ownerURL)

	const address = "Victim@example.com"

	post := func(path, password string) int {
		res, _ := server.Call(t, path, map[string]string{"name": "Test", "email": address, "password": password})

		return res.StatusCode
	}

	follow := func(link string) string {
		u, err := url.Parse(link)
		require.NoError(t, err)

		res, _ := server.Call(t, strings.TrimPrefix(u.RequestURI(), proxy.Prefix), nil)

		return res.Header.Get("Location")
	}

	require.Equal(t, http.StatusOK, post("/sign-up/email", "password of the thief"))

	first := server.Mail(t, "verify-email", strings.ToLower(address))

	_, err := owner.Exec(t.Context(), `insert into auth."session" ("userId", "token", "expiresAt", "updatedAt")
		select "id", 'stolen', now() + interval '1 day', now() from auth."user"`)
	require.NoError(t, err)

	// One that fails takes no user's place.
	require.Equal(t, http.StatusBadRequest, post("/sign-up/email", "short"))
	require.Equal(t, http.StatusForbidden, post("/sign-in/email", "password of the thief"))

	require.Equal(t, http.StatusOK, post("/sign-up/email", "password of the owner"))

	var sessions, mails int

	require.NoError(t, owner.QueryRow(t.Context(), `select (select count(*) from auth."session"), (select count(*) from auth_mail)`).Scan(&sessions, &mails))
	require.Zero(t, sessions)
	require.Equal(t, 1, mails)

	require.Contains(t, follow(first), "error=INVALID_TOKEN")
	require.Equal(t, http.StatusForbidden, post("/sign-in/email", "password of the owner"), "the old link verifies nothing")
	require.Equal(t, "/", follow(server.Mail(t, "verify-email", strings.ToLower(address))))
	require.Equal(t, http.StatusUnauthorized, post("/sign-in/email", "password of the thief"))
	require.Equal(t, http.StatusOK, post("/sign-in/email", "password of the owner"))

	// Verified, it is no other claimant's any more.
	require.Equal(t, http.StatusOK, post("/sign-up/email", "password of the thief"))
	require.Equal(t, http.StatusOK, post("/sign-in/email", "password of the owner"))
}
