package proxy_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/authtest"
	"imagerun/internal/auth/proxy"
	"imagerun/internal/devstack/devtest"
)

// What opens the link of a mail need not be a person; what presses the button is.
func TestProxy_VerifiesByAButton(t *testing.T) {
	t.Parallel()

	appURL, authURL, ownerURL := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	h := through(t, server.URL, proxy.Options{})

	const address = "person@example.com"

	res, body := server.Call(t, "/sign-up/email",
		json.RawMessage(`{"name":"Test","email":"`+address+`","password":"long enough","callbackURL":"/welcome"}`))
	require.Equal(t, http.StatusOK, res.StatusCode, body)

	link, err := url.Parse(server.Mail(t, "verify-email", address))
	require.NoError(t, err)

	verified := func() (yes bool) {
		require.NoError(t, devtest.Pool(t, ownerURL).QueryRow(t.Context(), `select "emailVerified" from auth."user"`).Scan(&yes))

		return yes
	}

	for range 2 {
		res := serve(h, request(http.MethodGet, link.RequestURI(), ""))
		page, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, res.StatusCode)
		require.Equal(t, "text/html; charset=utf-8", res.Header.Get("Content-Type"))
		require.Contains(t, res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'", "no person can be made to press it elsewhere")
		require.Contains(t, string(page), `<form method="post">`)
		require.NotContains(t, string(page), link.Query().Get("token"))
		require.False(t, verified())
	}

	// As a browser sends the form, which is empty.
	press := request(http.MethodPost, link.RequestURI(), "")
	press.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	press.Header.Set("Origin", server.Origin)

	answer := serve(h, press)
	require.Equal(t, http.StatusFound, answer.StatusCode)
	require.Equal(t, "/welcome", answer.Header.Get("Location"))
	require.True(t, verified())
}
