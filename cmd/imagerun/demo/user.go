package demo

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"imagerun/internal/plan"
	"imagerun/internal/user"
)

// demoPlan lets the demo's user run as much as the machine can.
const demoPlan = "studio"

// demoUser is who the demo signs up.
type demoUser struct {
	Email    string `json:"email"`
	Password string `json:"password"`
	APIKey   string `json:"api_key"`
}

// signUpUser returns the user of the last run, or signs a new one up as a person would: with a mail
// that is confirmed, a sign-in, and an API key.
func (d *demo) signUpUser() (demoUser, error) {
	file := filepath.Join(d.state, "demo-user.json")

	var u demoUser
	if b, err := os.ReadFile(file); err == nil && json.Unmarshal(b, &u) == nil {
		if status, _ := d.callAPI(http.MethodGet, "/v1/generations?limit=1", u.APIKey, nil, nil); status == http.StatusOK {
			d.printStep("signed in as %s again", u.Email)

			return u, nil
		}
	}

	u = demoUser{Email: "ada-" + strings.ToLower(rand.Text()[:6]) + "@example.com", Password: rand.Text()}

	var signedUp struct {
		User struct{ ID string } `json:"user"`
	}

	status, err := d.callAPI(http.MethodPost, "/api/auth/sign-up/email", "",
		map[string]string{"name": "Ada", "email": u.Email, "password": u.Password}, &signedUp)
	if err != nil || status != http.StatusOK {
		return u, fmt.Errorf("sign up: status %d: %w", status, errors.Join(err))
	}

	if err := d.verifyAddress(u); err != nil {
		return u, err
	}

	bearer, err := d.signIn(u)
	if err != nil {
		return u, err
	}

	var key struct {
		Secret string `json:"secret"`
	}

	status, err = d.callAPI(http.MethodPost, "/v1/api_keys", bearer,
		map[string]any{"name": "demo", "scopes": []string{"generations:read", "generations:write", "credits:read", "payments:write"}}, &key)
	if err != nil || status != http.StatusCreated {
		return u, fmt.Errorf("make an API key: status %d: %w", status, errors.Join(err))
	}

	u.APIKey = key.Secret

	b, err := json.MarshalIndent(u, "", "  ")
	if err != nil {
		return u, fmt.Errorf("encode the demo's user: %w", err)
	}

	d.printStep("signed up %s, confirmed the mail, made an API key", u.Email)

	return u, os.WriteFile(file, b, 0o600)
}

// verifyAddress confirms the address with the link from the mail, which nothing sends yet: it is read
// where the sign-in service left it. It also puts the user on a generous plan.
func (d *demo) verifyAddress(u demoUser) error {
	conn, err := pgx.Connect(d.ctx, d.stack.Postgres.OwnerURL)
	if err != nil {
		return fmt.Errorf("connect to the demo's database: %w", err)
	}
	defer conn.Close(d.ctx)

	var (
		token string
		id    uuid.UUID
	)

	for deadline := time.Now().Add(10 * time.Second); ; d.pausePoll() {
		err = conn.QueryRow(d.ctx, `select token, user_id from auth_mail where recipient = $1 and kind = 'verify-email'
			order by created_at desc limit 1`, u.Email).Scan(&token, &id)
		if err == nil || d.ctx.Err() != nil || time.Now().After(deadline) {
			break
		}
	}

	if err != nil {
		return fmt.Errorf("find the confirmation mail: %w", err)
	}

	status, err := d.callAPI(http.MethodPost, "/api/auth/verify-email?token="+url.QueryEscape(token), "", nil, nil)
	if err != nil || status >= http.StatusBadRequest {
		return fmt.Errorf("confirm the mail: status %d: %w", status, errors.Join(err))
	}

	plans, err := plan.Load(nil)
	if err != nil {
		return err
	}

	return user.SetPlan(d.ctx, conn, id, plans.Of(demoPlan))
}

// signIn returns a signed session token.
func (d *demo) signIn(u demoUser) (string, error) {
	body, err := json.Marshal(map[string]string{"email": u.Email, "password": u.Password})
	if err != nil {
		return "", fmt.Errorf("encode sign-in: %w", err)
	}

	r, err := http.NewRequestWithContext(d.ctx, http.MethodPost, d.api.url+"/api/auth/sign-in/email", bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}

	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", d.api.url)

	reply, err := (&http.Client{Timeout: 20 * time.Second}).Do(r)
	if err != nil {
		return "", fmt.Errorf("sign in: %w", err)
	}
	defer reply.Body.Close()

	token := reply.Header.Get("Set-Auth-Token")
	if reply.StatusCode != http.StatusOK || token == "" {
		return "", fmt.Errorf("sign in: status %d", reply.StatusCode)
	}

	return token, nil
}

// callAPI sends JSON to the api and decodes its answer into out, where it has one.
func (d *demo) callAPI(method, path, bearer string, in, out any) (status int, err error) {
	var body io.Reader

	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return 0, fmt.Errorf("encode request: %w", err)
		}

		body = bytes.NewReader(b)
	}

	r, err := http.NewRequestWithContext(d.ctx, method, d.api.url+path, body)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}

	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}

	r.Header.Set("Origin", d.api.url)

	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}

	client := &http.Client{
		Timeout:       60 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}

	reply, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer reply.Body.Close()

	b, err := io.ReadAll(io.LimitReader(reply.Body, 1<<20))
	if err != nil {
		return reply.StatusCode, fmt.Errorf("read answer: %w", err)
	}

	if reply.StatusCode >= http.StatusBadRequest {
		return reply.StatusCode, fmt.Errorf("the api said: %s", b)
	}

	if out == nil {
		return reply.StatusCode, nil
	}

	return reply.StatusCode, json.Unmarshal(b, out)
}
