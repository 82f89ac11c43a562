// Package authtest runs the real Better Auth service for tests.
package authtest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/betterauth"
	"imagerun/internal/auth/proxy"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/redact"
)

// Options configure the service. The zero value is a public origin of http://localhost:8080.
type Options struct {
	Origin  string // BETTER_AUTH_URL
	Secret  string // BETTER_AUTH_SECRET; default: one of this package's
	Trusted string // TRUSTED_ORIGINS
}

// Server is a running service. It ends with the test, and with the test binary however that ends.
type Server struct {
	URL        string // where it listens
	OpsURL     string // where its private listener is
	Origin     string // the public origin it believes in
	Secret     redact.Secret
	CookieName string

	mails  string // Postgres as who sends mails
	client *http.Client
	n      atomic.Int64
	output syncBuffer
}

// User is a person who has signed up, verified the address, and signed in.
type User struct {
	ID       uuid.UUID
	Email    string
	Password string
	Cookie   string // value of the session cookie, as the browser sends it
	Bearer   string // the same session for an Authorization header
}

// Start runs the service on a migrated database, given by its URLs for the application's role and
// for the auth service's role. It installs the service's packages if they are not there.
func Start(t testing.TB, appURL, authURL string, o Options) *Server {
	t.Helper()

	if o.Origin == "" {
		o.Origin = "http://localhost:8080"
	}

	if o.Secret == "" {
		o.Secret = "a secret that signs nothing but tests"
	}

	s := &Server{
		Origin:     o.Origin,
		Secret:     redact.NewSecret(o.Secret),
		CookieName: betterauth.CookieName("imagerun", o.Origin),
		mails:      devtest.As(t, appURL, "mailer"),
		client: &http.Client{
			Timeout:       30 * time.Second,
			Transport:     &http.Transport{},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}

	cmd := Command(t, "server.mjs", "--with-parent")
	cmd.Env = append(cmd.Env, "DATABASE_URL="+authURL, "BETTER_AUTH_SECRET="+o.Secret, "BETTER_AUTH_URL="+o.Origin,
		"TRUSTED_ORIGINS="+o.Trusted, "PORT=0", "OPS_PORT=0")
	cmd.Stderr = &s.output

	leash, err := cmd.StdinPipe()
	require.NoError(t, err)

	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())

	ports := make(chan [2]int, 1)
	ended := make(chan struct{})

	go func() {
		defer close(ended)

		for lines := bufio.NewScanner(io.TeeReader(out, &s.output)); lines.Scan(); {
			var line struct {
				Msg     string
				Port    int
				OpsPort int `json:"ops_port"`
			}
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "listening" {
				ports <- [2]int{line.Port, line.OpsPort}
			}
		}

		_ = cmd.Wait()
	}()

	t.Cleanup(func() {
		s.client.CloseIdleConnections()

		_ = leash.Close()

		select {
		case <-ended:
		case <-time.After(15 * time.Second):
			_ = cmd.Process.Kill()
			t.Error("the auth service did not end by itself")
		}
	})

	select {
	case p := <-ports:
		s.URL, s.OpsURL = fmt.Sprintf("http://127.0.0.1:%d", p[0]), fmt.Sprintf("http://127.0.0.1:%d", p[1])
	case <-ended:
		require.FailNow(t, "the auth service ended at once", s.Log())
	case <-time.After(30 * time.Second):
		require.FailNow(t, "the auth service does not listen", s.Log())
	}

	return s
}

// Log returns what the service has printed so far.
func (s *Server) Log() string { return s.output.String() }

// SignUp makes a user, verifies the address by the link in the mail, and signs in.
func (s *Server) SignUp(t testing.TB) User {
	t.Helper()

	u := User{Email: fmt.Sprintf("user-%d@example.com", s.n.Add(1)), Password: "correct horse battery"}

	res, body := s.Call(t, "/sign-up/email", map[string]string{"name": "Test", "email": u.Email, "password": u.Password})
	require.Equal(t, http.StatusOK, res.StatusCode, body)

	link, err := url.Parse(s.Mail(t, "verify-email", u.Email))
	require.NoError(t, err)

	res, body = s.Call(t, strings.TrimPrefix(link.RequestURI(), proxy.Prefix), nil)
	require.Equal(t, http.StatusFound, res.StatusCode, body)

	s.SignIn(t, &u)

	return u
}

// SignIn gives u another session.
func (s *Server) SignIn(t testing.TB, u *User) {
	t.Helper()

	res, body := s.Call(t, "/sign-in/email", map[string]string{"email": u.Email, "password": u.Password})
	require.Equal(t, http.StatusOK, res.StatusCode, body)

	var answer struct{ User struct{ ID uuid.UUID } }
	require.NoError(t, json.Unmarshal([]byte(body), &answer))

	u.ID, u.Bearer = answer.User.ID, res.Header.Get("Set-Auth-Token")

	for _, c := range res.Cookies() {
		if c.Name == s.CookieName {
			u.Cookie = c.Value
		}
	}

	require.NotEmpty(t, u.Cookie)
	require.NotEmpty(t, u.Bearer)
}

// Call asks the service itself, as a client with an address of its own, so that rate limits do not
// stand in a test's way: POST with a JSON body, or GET when body is nil. Edits change the request first.
func (s *Server) Call(t testing.TB, path string, body any, edits ...func(*http.Request)) (*http.Response, string) {
	t.Helper()

	method, content := http.MethodGet, []byte(nil)

	if body != nil {
		var err error

		method = http.MethodPost
		content, err = json.Marshal(body)
		require.NoError(t, err)
	}

	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+proxy.Prefix+path, bytes.NewReader(content))
	require.NoError(t, err)

	n := s.n.Add(1)
	req.Header.Set(proxy.ClientAddressHeader, fmt.Sprintf("10.%d.%d.%d", n>>16&255, n>>8&255, n&255))

	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}

	for _, edit := range edits {
		edit(req)
	}

	res, err := s.client.Do(req)
	require.NoError(t, err)

	defer res.Body.Close()

	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)

	return res, string(text)
}

// Mail returns the link in the newest mail of a kind to an address.
func (s *Server) Mail(t testing.TB, kind, address string) string {
	t.Helper()

	conn, err := pgx.Connect(t.Context(), s.mails)
	require.NoError(t, err)

	defer conn.Close(context.WithoutCancel(t.Context()))

	var link string

	err = conn.QueryRow(t.Context(),
		`select url from auth_mail where kind = $1 and recipient = $2 order by created_at desc limit 1`, kind, address).Scan(&link)
	require.NoError(t, err)

	return link
}

// Command returns a call of a script of the service, with no environment but a path, after installing the
// service's packages if they are not there.
func Command(t testing.TB, script string, args ...string) *exec.Cmd {
	t.Helper()

	dir := findServiceFolder(t)
	Install(t, dir)

	cmd := exec.Command("node", append([]string{filepath.Join(dir, script)}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}

	return cmd
}

// findServiceFolder returns auth/ of the module that the test belongs to.
func findServiceFolder(t testing.TB) string {
	t.Helper()

	dir, err := os.Getwd()
	require.NoError(t, err)

	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "auth")
		}

		parent := filepath.Dir(dir)
		require.NotEqual(t, parent, dir, "no go.mod above the test")

		dir = parent
	}
}

// syncBuffer is a bytes.Buffer that may be read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()

	return s.b.String()
}
