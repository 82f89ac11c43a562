package betterauth_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth"
	"imagerun/internal/auth/authtest"
	"imagerun/internal/auth/betterauth"
	"imagerun/internal/clock"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/postgres"
	"imagerun/internal/redact"
)

func TestMain(m *testing.M) { devtest.Main(m) }

func sign(secret, token string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(token))

	return token + "." + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

func TestSessions(t *testing.T) {
	t.Parallel()

	appURL, authURL, ownerURL := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	owner := devtest.Pool(t, ownerURL)
	sessions := betterauth.New(devtest.Pool(t, appURL), betterauth.Options{Secret: server.Secret, Now: clock.System})

	verify := func(t *testing.T, signed string) (*auth.Principal, error) {
		t.Helper()

		return sessions.Verify(t.Context(), redact.NewSecret(signed))
	}
	refused := func(t *testing.T, signed string) {
		t.Helper()

		p, err := verify(t, signed)
		require.ErrorIs(t, err, auth.ErrUnauthenticated)
		require.Nil(t, p)
	}
	accepted := func(t *testing.T, u authtest.User) {
		t.Helper()

		p, err := verify(t, u.Cookie)
		require.NoError(t, err)
		require.Equal(t, u.ID, p.UserID)
	}
	change := func(t *testing.T, sql string, args ...any) {
		t.Helper()

		tag, err := owner.Exec(t.Context(), sql, args...)
		require.NoError(t, err)
		require.EqualValues(t, 1, tag.RowsAffected())
	}

	t.Run("AcceptsCookieAndBearer", func(t *testing.T) {
		t.Parallel()

		u := server.SignUp(t)
		for _, signed := range []string{u.Cookie, u.Bearer} {
			p, err := verify(t, signed)
			require.NoError(t, err)
			require.Equal(t, u.ID, p.UserID)
			require.Equal(t, auth.MethodBearer, p.Method)
			require.WithinDuration(t, time.Now(), p.SessionAt, time.Minute)
			require.NoError(t, p.Require(auth.ScopeAPIKeys))
		}
	})

	t.Run("AcceptsEveryCharacterOfBase64", func(t *testing.T) {
		t.Parallel()

		u := server.SignUp(t)

		// A token whose signature has both characters that URLs treat in their own way, and a dot inside.
		var token, signed string
		for i := 0; !strings.Contains(signed, "+") || !strings.Contains(signed, "/"); i++ {
			token = fmt.Sprintf("dotted.%d", i)
			signed = sign(server.Secret.Reveal(), token)
		}

		change(t, `update auth."session" set "token" = $2 where "userId" = $1`, u.ID, token)

		u.Cookie = signed
		accepted(t, u)
		u.Cookie = url.QueryEscape(u.Cookie)
		accepted(t, u)
	})

	t.Run("RefusesWhatIsNotSignedByUs", func(t *testing.T) {
		t.Parallel()

		u := server.SignUp(t)
		token, signature, _ := strings.Cut(u.Bearer, ".")

		flipped := []byte(signature)
		flipped[0] ^= 1

		other := []byte(u.Bearer)
		other[0] ^= 1

		for name, signed := range map[string]string{
			"Empty":             "",
			"RawToken":          token,
			"RawTokenDot":       token + ".",
			"SignatureOnly":     "." + signature,
			"OtherSecret":       sign("another secret of enough characters", token),
			"TamperedToken":     string(other),
			"TamperedSignature": token + "." + string(flipped),
			"LooseBase64":       token + "." + strings.TrimRight(signature, "="),
			"URLBase64":         token + "." + base64.URLEncoding.EncodeToString(decode(t, signature)) + "=",
			"EncodedTwice":      url.PathEscape(u.Cookie),
			"BadPercent":        u.Bearer + "%zz",
			"Padded":            u.Bearer + " ",
			"Long":              strings.Repeat("a", 1<<20) + "." + signature,
			"SignedButUnknown":  sign(server.Secret.Reveal(), "abcdefghijklmnopqrstuvwxyzABCDEF"),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				refused(t, signed)
			})
		}
	})

	t.Run("RefusesAfterSignOut", func(t *testing.T) {
		t.Parallel()

		u := server.SignUp(t)
		other := u
		server.SignIn(t, &other)

		res, body := server.Call(t, "/sign-out", map[string]any{}, func(r *http.Request) {
			r.Header.Set("Cookie", server.CookieName+"="+u.Cookie)
			r.Header.Set("Origin", server.Origin)
		})
		require.Equal(t, http.StatusOK, res.StatusCode, body)
		refused(t, u.Cookie)
		accepted(t, other)
	})

	t.Run("RefusesAllAfterPasswordReset", func(t *testing.T) {
		t.Parallel()

		u := server.SignUp(t)

		res, body := server.Call(t, "/request-password-reset", map[string]string{"email": u.Email, "redirectTo": "/reset"})
		require.Equal(t, http.StatusOK, res.StatusCode, body)

		link, err := url.Parse(server.Mail(t, "reset-password", u.Email))
		require.NoError(t, err)

		res, _ = server.Call(t, strings.TrimPrefix(link.RequestURI(), "/api/auth"), nil)
		require.Equal(t, http.StatusFound, res.StatusCode)

		page, err := res.Location()
		require.NoError(t, err)
		require.Equal(t, "/reset", page.Path)

		token := page.Query().Get("token")
		require.NotEmpty(t, token)

		// Neither the link's token nor the path that holds it is stored as it is.
		var found int

		require.NoError(t, owner.QueryRow(t.Context(), `
			select (select count(*) from auth."verification" where position($1 in "identifier") > 0)
			     + (select count(*) from auth."rateLimit" where position($1 in "key") > 0)`, token).Scan(&found))
		require.Zero(t, found)

		u.Password = "another battery staple"
		res, body = server.Call(t, "/reset-password", map[string]string{"token": token, "newPassword": u.Password})
		require.Equal(t, http.StatusOK, res.StatusCode, body)
		refused(t, u.Cookie)

		server.SignIn(t, &u)
		accepted(t, u)
	})

	t.Run("RefusesWhenExpired", func(t *testing.T) {
		t.Parallel()

		u := server.SignUp(t)
		change(t, `update auth."session" set "expiresAt" = now() - interval '1 second' where "userId" = $1`, u.ID)
		refused(t, u.Cookie)
	})

	t.Run("RefusesWhenImpersonated", func(t *testing.T) {
		t.Parallel()

		u := server.SignUp(t)
		change(t, `update auth."session" set "impersonatedBy" = 'somebody' where "userId" = $1`, u.ID)
		refused(t, u.Cookie)
	})

	t.Run("RefusesWhileBanned", func(t *testing.T) {
		t.Parallel()

		u := server.SignUp(t)
		change(t, `update auth."user" set "banned" = true where "id" = $1`, u.ID)
		refused(t, u.Cookie)

		res, body := server.Call(t, "/sign-in/email", map[string]string{"email": u.Email, "password": u.Password})
		require.Equal(t, http.StatusForbidden, res.StatusCode, body)

		change(t, `update auth."user" set "banExpires" = now() + interval '1 hour' where "id" = $1`, u.ID)
		refused(t, u.Cookie)
		change(t, `update auth."user" set "banExpires" = now() - interval '1 second' where "id" = $1`, u.ID)
		accepted(t, u)
	})

	t.Run("SaysWhenItCannotJudge", func(t *testing.T) {
		t.Parallel()

		u := server.SignUp(t)

		closed, err := postgres.Open(t.Context(), postgres.Options{URL: appURL})
		require.NoError(t, err)
		closed.Close()

		_, err = betterauth.New(closed, betterauth.Options{Secret: server.Secret, Now: clock.System}).
			Verify(t.Context(), redact.NewSecret(u.Cookie))
		require.Error(t, err)
		require.NotErrorIs(t, err, auth.ErrUnauthenticated)
		require.NotContains(t, err.Error(), u.Cookie[:32])
	})

	t.Run("UnverifiedAddressHasNoSession", func(t *testing.T) {
		t.Parallel()

		who := map[string]string{"name": "New", "email": "unverified@example.com", "password": "correct horse battery"}
		_, first := server.Call(t, "/sign-up/email", who)
		_, again := server.Call(t, "/sign-up/email", who)
		require.Equal(t, shape(t, first), shape(t, again), "an address that has an account answers like one that has none")

		res, body := server.Call(t, "/sign-in/email", who)
		require.Equal(t, http.StatusForbidden, res.StatusCode, body)
		require.Empty(t, res.Cookies())
	})
}

// The log of the service is read after everything that is personal went through it.
func TestService_LogHoldsNothingPersonal(t *testing.T) {
	t.Parallel()

	appURL, authURL, _ := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	u := server.SignUp(t)

	server.Call(t, "/sign-up/email", map[string]string{"name": "Test", "email": u.Email, "password": u.Password})
	server.Call(t, "/sign-in/email", map[string]string{"email": u.Email, "password": "wrong password"})
	server.Call(t, "/request-password-reset", map[string]string{"email": "nobody@example.com", "redirectTo": "/"})
	server.Call(t, "/request-password-reset", map[string]string{"email": u.Email, "redirectTo": "https://evil.example/?" + u.Email})

	require.Eventually(t, func() bool { return strings.Contains(server.Log(), `"better auth: Invalid redirectURL"`) },
		10*time.Second, 10*time.Millisecond, "the log says nothing of the last call")

	for _, secret := range []string{"@example.com", "evil.example", u.Password, u.Bearer, u.Bearer[:32], server.Secret.Reveal()} {
		require.NotContains(t, server.Log(), secret)
	}
}

func TestCookieName(t *testing.T) {
	t.Parallel()

	require.Equal(t, "imagerun.session_token", betterauth.CookieName("imagerun", "http://localhost:8080"))

	// SignUp requires a cookie of the name; here the service must have chosen the same one.
	appURL, authURL, _ := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{Origin: "https://images.example.com"})
	require.Equal(t, "__Host-imagerun.session_token", server.CookieName)

	u := server.SignUp(t)
	require.NotEqual(t, uuid.Nil, u.ID)

	// What a browser demands of the name.
	res, body := server.Call(t, "/sign-in/email", map[string]string{"email": u.Email, "password": u.Password})
	require.Equal(t, http.StatusOK, res.StatusCode, body)
	require.NotEmpty(t, res.Cookies())

	for _, c := range res.Cookies() {
		require.True(t, strings.HasPrefix(c.Name, "__Host-"), c.Name)
		require.True(t, c.Secure && c.HttpOnly && c.Domain == "" && c.Path == "/", c.Raw)
	}
}

func decode(t *testing.T, text string) []byte {
	t.Helper()

	b, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)

	return b
}

// shape returns the fields of the user in an answer, in order, with their values where these do not
// differ between accounts.
func shape(t *testing.T, answer string) []string {
	t.Helper()

	var body struct {
		Token any
		User  map[string]any
	}

	require.NoError(t, json.Unmarshal([]byte(answer), &body), answer)
	require.Nil(t, body.Token)
	require.NotEmpty(t, body.User["id"])

	for _, differs := range []string{"id", "createdAt", "updatedAt"} {
		require.Contains(t, body.User, differs)
		body.User[differs] = ""
	}

	fields := make([]string, 0, len(body.User))
	for name, value := range body.User {
		text, err := json.Marshal(value)
		require.NoError(t, err)

		fields = append(fields, name+"="+string(text))
	}

	slices.Sort(fields)

	return fields
}
