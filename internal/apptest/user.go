package apptest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"imagerun/internal/auth/authtest"
)

// client gives up on what a test should not wait for.
var client = &http.Client{Timeout: 90 * time.Second} //nolint:gochecknoglobals // connections are shared by all tests

// User is a person who signed up and made an API key.
type User struct {
	authtest.User

	Key string

	p *Product
}

// Generation is the resource, as a caller sees it.
type Generation struct {
	ID             string `json:"id"`
	Status         string `json:"status"`
	StatusSequence int64  `json:"status_sequence"`
	Parameters     struct {
		Width, Height int
	} `json:"parameters"`
	Images  []Image `json:"images"`
	Failure *struct {
		Code string `json:"code"`
	} `json:"failure"`
}

// Image is one image of it.
type Image struct {
	Status       string `json:"status"`
	Width        int    `json:"width"`
	Height       int    `json:"height"`
	ContentType  string `json:"content_type"`
	URL          string `json:"url"`
	ThumbnailURL string `json:"thumbnail_url"`
}

// Terminal reports whether nothing will change any more.
func (g Generation) Terminal() bool {
	switch g.Status {
	case "queued", "submitting", "running", "storing", "":
		return false
	default:
		return true
	}
}

// SignUp makes a user with an API key, on a plan ("": the default).
func (p *Product) SignUp(t testing.TB, plan string) *User {
	t.Helper()

	u := &User{User: p.auth.SignUp(t), p: p}

	if plan != "" {
		_, err := p.Pool.Exec(t.Context(), `insert into generation_user (user_id, plan) values ($1, $2)`, u.ID, plan)
		require.NoError(t, err)
	}

	var made struct{ Secret string }

	reply := u.sendRequest(t, u.Bearer, http.MethodPost, "/v1/api_keys",
		map[string]any{"name": "test", "scopes": []string{"generations:read", "generations:write", "credits:read", "payments:write"}}, &made)
	require.Equal(t, http.StatusCreated, reply.StatusCode)

	u.Key = made.Secret

	return u
}

// SessionCookie is the session of a user as a browser has it.
func (p *Product) SessionCookie(u *User) *http.Cookie {
	return &http.Cookie{Name: p.auth.CookieName, Value: u.Cookie}
}

// Do calls the api with the user's key and decodes a successful answer into out.
func (u *User) Do(t testing.TB, method, path string, in, out any, header ...string) *http.Response {
	t.Helper()

	return u.sendRequest(t, u.Key, method, path, in, out, header...)
}

// DoSignedIn calls the api as a browser does, with the session instead of the key.
func (u *User) DoSignedIn(t testing.TB, method, path string) *http.Response {
	t.Helper()

	return u.sendRequest(t, u.Bearer, method, path, nil, nil)
}

func (u *User) sendRequest(t testing.TB, bearer, method, path string, in, out any, header ...string) *http.Response {
	t.Helper()

	var body io.Reader

	if in != nil {
		b, err := json.Marshal(in)
		require.NoError(t, err)

		body = bytes.NewReader(b)
	}

	r, err := http.NewRequestWithContext(t.Context(), method, u.p.URL+path, body)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+bearer)
	r.Header.Set("Content-Type", "application/json")

	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}

	reply, err := client.Do(r)
	require.NoError(t, err)

	defer reply.Body.Close()

	b, err := io.ReadAll(reply.Body)
	require.NoError(t, err)

	if out != nil {
		require.Less(t, reply.StatusCode, 300, string(b))
		require.NoError(t, json.Unmarshal(b, out), string(b))
	}

	return reply
}

// Stream opens an event stream, which the caller closes.
func (u *User) Stream(t testing.TB, path string) *http.Response {
	t.Helper()

	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.p.URL+path, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+u.Key)

	reply, err := (&http.Client{}).Do(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, reply.StatusCode)

	return reply
}

// Submit asks for one small image, or for what body says.
func (u *User) Submit(t testing.TB, body map[string]any) Generation {
	t.Helper()

	if body == nil {
		body = map[string]any{}
	}

	for k, v := range map[string]any{"model": "z-image-turbo", "prompt": "a lighthouse " + uuid.NewString(), "quality": "draft"} {
		if _, said := body[k]; !said {
			body[k] = v
		}
	}

	var g Generation

	reply := u.Do(t, http.MethodPost, "/v1/generations", body, &g)
	require.Equal(t, http.StatusAccepted, reply.StatusCode)

	return g
}

// Get reads a generation.
func (u *User) Get(t testing.TB, id string) Generation {
	t.Helper()

	var g Generation

	u.Do(t, http.MethodGet, "/v1/generations/"+id, nil, &g)

	return g
}

// Await waits until a generation has ended. It asks as often as a key of the default plan may.
func (u *User) Await(t testing.TB, id string, within time.Duration) Generation {
	t.Helper()

	var g Generation

	require.Eventually(t, func() bool {
		g = u.Get(t, id)

		return g.Terminal()
	}, within, 250*time.Millisecond, "generation does not end\n%s", u.p.Log)

	return g
}

// Problem is a refusal, as a caller sees it.
type Problem struct {
	Code   string `json:"code"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

// Refused makes a call that is refused, and returns how.
func (u *User) Refused(t testing.TB, method, path string, in any) (status int, p Problem) {
	t.Helper()

	body, err := json.Marshal(in)
	require.NoError(t, err)

	r, err := http.NewRequestWithContext(t.Context(), method, u.p.URL+path, bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+u.Key)
	r.Header.Set("Content-Type", "application/json")

	reply, err := client.Do(r)
	require.NoError(t, err)

	defer reply.Body.Close()

	require.NoError(t, json.NewDecoder(reply.Body).Decode(&p))

	return reply.StatusCode, p
}
