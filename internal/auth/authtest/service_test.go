package authtest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/authtest"
	"imagerun/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

func TestService_SaysAllThatIsWrongAtOnce(t *testing.T) {
	t.Parallel()

	const secret, password = "short-secret", "database-password"

	cmd := authtest.Command(t, "server.mjs")
	cmd.Env = append(cmd.Env, "NODE_ENV=production", "BETTER_AUTH_SECRET="+secret, "BETTER_AUTH_URL=http://images.example.com",
		"DATABASE_URL=mysql://a:"+password+"@b/c", "TRUSTED_ORIGINS=https://a.example/path,x", "COOKIE_PREFIX=a;b", "PORT=99999", "OPS_PORT=x", "AUTH_RATE_LIMIT=off")

	out, err := cmd.CombinedOutput()
	exit := &exec.ExitError{}
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Equal(t, 2, exit.ExitCode())
	require.NotContains(t, string(out), secret)
	require.NotContains(t, string(out), password)
	require.Equal(t, `DATABASE_URL: must be a postgres:// URL
BETTER_AUTH_SECRET: must have at least 32 characters
COOKIE_PREFIX: may hold letters, digits, _ and - only
PORT: must be a number from 0 to 65535
OPS_PORT: must be a number from 0 to 65535
AUTH_RATE_LIMIT: off is refused when NODE_ENV=production
BETTER_AUTH_URL: must be https when NODE_ENV=production
TRUSTED_ORIGINS: must be an origin such as https://images.example.com, without a path
TRUSTED_ORIGINS: must be an origin such as https://images.example.com, without a path
`, string(out))
}

func TestService_Help(t *testing.T) {
	t.Parallel()

	out, err := authtest.Command(t, "server.mjs", "--help").CombinedOutput()
	require.NoError(t, err)

	for _, name := range []string{"DATABASE_URL", "BETTER_AUTH_SECRET", "BETTER_AUTH_URL", "TRUSTED_ORIGINS", "COOKIE_PREFIX", "HOST", "PORT", "OPS_HOST", "OPS_PORT", "AUTH_RATE_LIMIT"} {
		require.Contains(t, string(out), name)
	}
}

// A request in flight is answered before SIGTERM ends the service.
func TestService_EndsInOrder(t *testing.T) {
	t.Parallel()

	_, authURL, _ := devtest.PostgresURLs(t)

	cmd := authtest.Command(t, "server.mjs")
	cmd.Env = append(cmd.Env, "DATABASE_URL="+authURL, "BETTER_AUTH_URL=http://localhost", "BETTER_AUTH_SECRET=0123456789abcdef0123456789abcdef", "PORT=0", "OPS_PORT=0")

	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill() })

	var line struct{ Port int }
	require.NoError(t, json.NewDecoder(out).Decode(&line))

	// Better Auth takes half a second for this, so that it tells no caller whether the address is known.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		fmt.Sprintf("http://127.0.0.1:%d/api/auth/send-verification-email", line.Port), strings.NewReader(`{"email":"nobody@example.com"}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")

	sent := make(chan struct{})
	req = req.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { close(sent) },
	}))

	go func() {
		<-sent
		_ = cmd.Process.Signal(syscall.SIGTERM)
	}()

	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.NoError(t, cmd.Wait())
}

func TestService_Health(t *testing.T) {
	t.Parallel()

	own := devtest.OwnPostgres(t)
	appURL, authURL, _, err := own.NewDatabase(t.Context(), "auth_health")
	require.NoError(t, err)

	server := authtest.Start(t, appURL, authURL, authtest.Options{})

	for _, url := range []string{server.URL, server.OpsURL} {
		for path, want := range map[string]string{
			"/livez": `{"status":"ok"}`, "/healthz": `{"status":"ok"}`, "/readyz": `{"status":"ready","checks":{"postgres":"ok"}}`,
		} {
			status, body := get(t, url+path)
			require.Equal(t, http.StatusOK, status, path)
			require.JSONEq(t, want, body)
		}

		status, _ := get(t, url+"/")
		require.Equal(t, http.StatusNotFound, status)
	}

	own.Stop() // and with it the service's idle connections

	for _, url := range []string{server.URL, server.OpsURL} {
		status, body := get(t, url+"/readyz")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.JSONEq(t, `{"status":"not_ready","checks":{"postgres":"does not work"}}`, body)

		status, _ = get(t, url+"/livez")
		require.Equal(t, http.StatusOK, status, "it lives on and waits for its database")
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()

	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)

	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	require.NoError(t, err)

	defer res.Body.Close()

	content, err := io.ReadAll(res.Body)
	require.NoError(t, err)

	return res.StatusCode, string(content)
}

func TestService_Metrics(t *testing.T) {
	t.Parallel()

	appURL, authURL, _ := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})
	u := server.SignUp(t)

	server.Call(t, "/sign-in/email", map[string]string{"email": u.Email, "password": "canary canary"})
	server.Call(t, "/reset-password/canarycanary", nil)
	server.Call(t, "/canary", nil)

	var text string

	// A call is counted when its connection has all of the answer, which may be a moment after its caller.
	require.Eventually(t, func() bool {
		var status int

		status, text = get(t, server.OpsURL+"/metrics")

		return status == http.StatusOK && strings.Contains(text, `route="other"`)
	}, 10*time.Second, 10*time.Millisecond)
	require.NotContains(t, text, "canary")
	require.NotContains(t, text, u.Email)

	for _, series := range []string{
		`imagerun_build_info{process="auth",`, "process_cpu_seconds_total ", "nodejs_eventloop_lag_seconds ",
		`imagerun_auth_request_seconds_count{route="/sign-up/email",status="2xx"} 1`,
		`imagerun_auth_request_seconds_count{route="/sign-in/email",status="4xx"} 1`,
		`imagerun_auth_request_seconds_count{route="/reset-password/:token",status="4xx"} 1`,
		`imagerun_auth_request_seconds_count{route="other",status="4xx"} 1`,
		`imagerun_auth_connections{state="waiting"} 0`, `imagerun_auth_unforeseen_total{kind="exception"} 0`,
	} {
		require.Contains(t, text, series)
	}

	status, _ := get(t, server.URL+"/metrics")
	require.Equal(t, http.StatusNotFound, status, "the listener behind the api has none")
}

// Whatever fails, and whatever prints it: each line is JSON of ours, without a stack and a user's data.
func TestService_LogsNothingButJSON(t *testing.T) {
	t.Parallel()

	appURL, authURL, ownerURL := devtest.PostgresURLs(t)
	server := authtest.Start(t, appURL, authURL, authtest.Options{})

	body := map[string]string{"name": "canary\x00", "email": "canary@example.com", "password": "canary canary"}
	server.Call(t, "/sign-up/email", body)

	_, err := devtest.Pool(t, ownerURL).Exec(t.Context(), `alter table auth."user" add constraint refused check ("name" <> 'canary')`)
	require.NoError(t, err)

	body["name"] = "canary"
	server.Call(t, "/sign-up/email", body)

	_, err = devtest.Pool(t, ownerURL).Exec(t.Context(), `alter table auth."user" rename to gone`)
	require.NoError(t, err)

	res, _ := server.Call(t, "/sign-in/email", body)
	require.Equal(t, http.StatusInternalServerError, res.StatusCode)

	for line := range strings.Lines(server.Log()) {
		require.True(t, json.Valid([]byte(line)), line)
		require.NotContains(t, line, "canary")
	}
}
