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

// Wherever a new password comes from, it has ten characters and is not one that many people have.
func TestPassword_ShortOrCommonIsRefused(t *testing.T) {
	t.Parallel()

	appURL, authURL, ownerURL := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	u := server.SignUp(t)

	res, body := server.Call(t, "/request-password-reset", map[string]string{"email": u.Email, "redirectTo": "/reset"})
	require.Equal(t, http.StatusOK, res.StatusCode, body)

	link, err := url.Parse(server.Mail(t, "reset-password", u.Email))
	require.NoError(t, err)

	token := strings.TrimPrefix(link.Path, proxy.Prefix+"/reset-password/")
	browser := func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: server.CookieName, Value: u.Cookie})
		r.Header.Set("Origin", server.Origin)
	}

	for _, password := range []string{"123456789", "long enou", "1234567890", "qwertyuiop", "QwertyUiop", "1Q2W3E4R5T", "password123"} {
		for name, answer := range map[string]func() (*http.Response, string){
			"SignUp": func() (*http.Response, string) {
				return server.Call(t, "/sign-up/email", map[string]string{"name": "a", "email": "new@example.com", "password": password})
			},
			"SignUpOfAKnownAddress": func() (*http.Response, string) {
				return server.Call(t, "/sign-up/email", map[string]string{"name": "a", "email": u.Email, "password": password})
			},
			"Reset": func() (*http.Response, string) {
				return server.Call(t, "/reset-password", map[string]string{"token": token, "newPassword": password})
			},
			"Change": func() (*http.Response, string) {
				return server.Call(t, "/change-password", map[string]string{"currentPassword": u.Password, "newPassword": password}, browser)
			},
		} {
			res, body := answer()
			require.Equal(t, http.StatusBadRequest, res.StatusCode, "%s %s: %s", name, password, body)
			require.Regexp(t, "PASSWORD_TOO_(SHORT|COMMON)", body)
		}
	}

	// Nothing has happened, and ten characters that few people have are enough.
	var users int
	require.NoError(t, devtest.Pool(t, ownerURL).QueryRow(t.Context(), `select count(*) from auth."user"`).Scan(&users))
	require.Equal(t, 1, users)

	res, body = server.Call(t, "/reset-password", map[string]string{"token": token, "newPassword": "ten is fine"[:10]})
	require.Equal(t, http.StatusOK, res.StatusCode, body)
}
