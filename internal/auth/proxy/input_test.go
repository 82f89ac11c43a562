package proxy_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/authtest"
	"imagerun/internal/auth/proxy"
	"imagerun/internal/devstack/devtest"
)

// elsewhere are places to go to that some browser, proxy or router takes for another site's.
var elsewhere = []string{
	"/..//evil.example", "/../evil.example", "/.//evil.example", "//evil.example", "///evil.example", "/x/..//evil.example", "/x//evil.example",
	`/\evil.example`, `\\evil.example`, "/%2e%2e//evil.example", "/%2e%2e/x", "/%2f/evil.example", "/%5cevil.example", "/%252f%252fevil.example",
	"https://evil.example", "https://evil.example/", "http://localhost:8080.evil.example/", "http://localhost:8080@evil.example/",
	"http://localhost:8080", "http://localhost:8080//evil.example", "http://localhost:80801/", "javascript:alert(1)", "evil.example", "?x", "./x", " /x", "/x\ty",
}

var ours = []string{"/", "/welcome", "/welcome/", "/a/b?x=//y&z=..#../..", "/caf%C3%A9", "http://localhost:8080/", "http://localhost:8080/reset?x=1"}

func TestProxy_RedirectsStayHere(t *testing.T) {
	t.Parallel()

	var location string

	s, h := setup(t, func(w http.ResponseWriter, _ *http.Request) {
		if location != "" {
			w.Header().Set("Location", location)
		}
	}, proxy.Options{Pace: time.Millisecond})

	for _, field := range []string{"callbackURL", "redirectTo", "errorCallbackURL", "newUserCallbackURL"} {
		for _, path := range []string{"/sign-up/email", "/sign-in/email", "/send-verification-email", "/request-password-reset"} {
			ask := func(target string) string {
				return serve(h, request(http.MethodPost, "/api/auth"+path, fmt.Sprintf(`{%q:%q}`, field, target))).Header.Get("Problem")
			}

			for _, target := range elsewhere {
				require.NotEmpty(t, ask(target), "%s %s %s", path, field, target)
			}

			for _, target := range ours {
				require.Empty(t, ask(target), "%s %s %s", path, field, target)
			}
		}

		for _, path := range []string{"/verify-email?token=x", "/reset-password/AbCdEfGhIjKl?x=y"} {
			ask := func(target string) string {
				return serve(h, request(http.MethodGet, "/api/auth"+path+"&"+field+"="+url.QueryEscape(target), "")).Header.Get("Problem")
			}

			for _, target := range elsewhere {
				require.NotEmpty(t, ask(target), "%s %s %s", path, field, target)
			}

			for _, target := range ours {
				require.Empty(t, ask(target), "%s %s %s", path, field, target)
			}
		}
	}

	// A field that is no text, one that is there twice, and a form, which has rules of its own.
	require.Equal(t, "auth_redirect_refused", serve(h, request(http.MethodPost, "/api/auth/sign-in/email", `{"callbackURL":1}`)).Header.Get("Problem"))
	require.Empty(t, serve(h, request(http.MethodPost, "/api/auth/sign-in/email", `{"callbackURL":"//evil.example","callbackURL":"/"}`)).Header.Get("Problem"))
	require.JSONEq(t, `{"callbackURL":"/"}`, s.body.Load().(string))

	form := request(http.MethodPost, "/api/auth/sign-in/email", `{"x":"&callbackURL=//evil.example&"}`)
	form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	require.Equal(t, "unsupported_media_type", serve(h, form).Header.Get("Problem"))

	// And what the service answers is judged as well.
	for _, location = range elsewhere {
		if strings.ContainsAny(location, "\t ") {
			continue // no header can have it
		}

		res := serve(h, request(http.MethodGet, "/api/auth/ok", ""))
		require.Equal(t, "auth_unavailable", res.Header.Get("Problem"), location)
		require.Empty(t, res.Header.Get("Location"))
	}

	for _, location = range ours {
		require.Equal(t, location, serve(h, request(http.MethodGet, "/api/auth/ok", "")).Header.Get("Location"))
	}
}

func TestProxy_Input(t *testing.T) {
	t.Parallel()

	s, h := setup(t, nil, proxy.Options{Pace: time.Millisecond})

	for name, tc := range map[string]struct{ body, want string }{
		"Nul":           {`{"name":"a\u0000"}`, "auth_input_refused"},
		"NulInAField":   {`{"a\u0000":"a"}`, "auth_input_refused"},
		"NulInAToken":   {`{"token":"\u0000"}`, "auth_input_refused"},
		"NewLine":       {`{"name":"a\nb"}`, "auth_input_refused"},
		"Escape":        {`{"image":"\u001b[2J"}`, "auth_input_refused"},
		"C1":            {`{"email":"a\u0085"}`, "auth_input_refused"},
		"LongName":      {`{"name":"` + strings.Repeat("é", 101) + `"}`, "auth_input_refused"},
		"LongEmail":     {`{"email":"` + strings.Repeat("a", 255) + `"}`, "auth_input_refused"},
		"Nested":        {`{"name":{"a":"\u0000"}}`, "auth_input_refused"},
		"List":          {`{"name":["\u0000"]}`, "auth_input_refused"},
		"NoObject":      {`"name"`, "malformed_json"},
		"TwoObjects":    {`{} {}`, "malformed_json"},
		"Broken":        {`{"name":`, "malformed_json"},
		"HalfCharacter": {`{"password":"long enough \ud83d"}`, "malformed_json"},
		"NotUTF8":       {"{\"name\":\"\xff\"}", "malformed_json"},
	} {
		require.Equal(t, tc.want, serve(h, request(http.MethodPost, "/api/auth/sign-up/email", tc.body)).Header.Get("Problem"), name)
	}

	for query, want := range map[string]string{
		"token=%00": "auth_input_refused", "token=a%0a": "auth_input_refused", "token=%ff": "auth_input_refused", "x%00=a": "auth_input_refused",
		"token=%zz": "malformed_query", "a;b": "malformed_query",
	} {
		require.Equal(t, want, serve(h, request(http.MethodGet, "/api/auth/verify-email?"+query, "")).Header.Get("Problem"), query)
	}

	require.Zero(t, s.asked.Load(), "the service hears of none of them")

	fits := `{"name":"` + strings.Repeat("é", 100) + `"}`
	require.Empty(t, serve(h, request(http.MethodPost, "/api/auth/sign-up/email", fits)).Header.Get("Problem"))
	require.JSONEq(t, fits, s.body.Load().(string))
}

// The service answers at once here; a caller that asked about an address still waits for the step.
func TestProxy_AnswersAboutAnAddressComeInSteps(t *testing.T) {
	t.Parallel()

	const step = 250 * time.Millisecond

	_, h := setup(t, nil, proxy.Options{})
	closed, broken := setup(t, nil, proxy.Options{})
	closed.Close()

	for _, path := range []string{"/sign-up/email", "/sign-in/email", "/send-verification-email", "/request-password-reset"} {
		for name, h := range map[string]http.Handler{"Answered": h, "Unavailable": broken} {
			began := time.Now()
			serve(h, request(http.MethodPost, "/api/auth"+path, `{}`))
			require.GreaterOrEqual(t, time.Since(began), step, path+name)
		}
	}
}

// What a known address and an unknown one are answered, with the real service.
func TestProxy_AnswersDoNotTellWhoHasAnAccount(t *testing.T) {
	t.Parallel()

	appURL, authURL, _ := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	h := through(t, server.URL, proxy.Options{Pace: time.Millisecond})
	known := server.SignUp(t)

	n := 0
	ask := func(path, body string) (int, string) {
		n++
		r := request(http.MethodPost, "/api/auth"+path, body)
		r.RemoteAddr = fmt.Sprintf("203.0.113.%d:4711", n) // no rate limit stands in the way

		res := serve(h, r)

		return res.StatusCode, res.Header.Get("Problem")
	}

	for i, tc := range []struct{ path, fields string }{
		{"/sign-up/email", `"name":"a","password":"long enough"`},
		{"/sign-up/email", `"name":"a\u0000","password":"long enough"`},
		{"/sign-up/email", `"name":"a","image":"a\u0000","password":"long enough"`},
		{"/sign-up/email", `"name":"a","password":"long\u0000 enough"`},
		{"/sign-up/email", `"name":"a","password":"long enough","role":"admin"`},
		{"/sign-in/email", `"password":"long enough"`},
		{"/sign-in/email", `"password":"long\u0000 enough"`},
		{"/send-verification-email", `"callbackURL":"/"`},
		{"/send-verification-email", `"callbackURL":"/\u0000"`},
		{"/request-password-reset", `"redirectTo":"/"`},
		{"/request-password-reset", `"redirectTo":"/\u0000"`},
	} {
		status, problem := ask(tc.path, fmt.Sprintf(`{"email":%q,%s}`, known.Email, tc.fields))
		unknownStatus, unknownProblem := ask(tc.path, fmt.Sprintf(`{"email":"nobody-%d@example.com",%s}`, i, tc.fields))
		require.Equal(t, status, unknownStatus, tc)
		require.Equal(t, problem, unknownProblem, tc)
	}
}
