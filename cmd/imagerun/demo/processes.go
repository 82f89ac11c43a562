package demo

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"imagerun/internal/simulators/falsim"
)

const (
	falUser      = "user_demo"
	operatorName = "operator"
	cookiePrefix = "imagerun"
)

// demoSecrets are made once, so that sessions and links survive a restart.
type demoSecrets struct {
	Auth, Callback, Welcome, Operator, FalKey string
	CreemKey, CreemWebhook                    string
}

func loadDemoSecrets(file string) (s demoSecrets, err error) {
	b, err := os.ReadFile(file)
	if err == nil {
		if err := json.Unmarshal(b, &s); err != nil {
			return s, fmt.Errorf("%s is damaged: remove it and try again", file)
		}

		if s.Welcome == "" { // a file from before it had one of its own
			s.Welcome = s.Callback
		}

		if s.CreemKey == "" { // nothing that was made with these outlives the simulator
			s.CreemKey, s.CreemWebhook = "creem_test_"+rand.Text(), "whsec_"+rand.Text()
		}

		return s, nil
	}

	if !errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("read the demo's secrets: %w", err)
	}

	s = demoSecrets{
		Auth: rand.Text() + rand.Text(), Callback: rand.Text() + rand.Text(), Welcome: rand.Text() + rand.Text(), Operator: rand.Text(),
		FalKey: "demo:" + rand.Text(), CreemKey: "creem_test_" + rand.Text(), CreemWebhook: "whsec_" + rand.Text(),
	}

	b, err = json.Marshal(s)
	if err != nil {
		return s, fmt.Errorf("encode the demo's secrets: %w", err)
	}

	if err := os.WriteFile(file, b, 0o600); err != nil {
		return s, fmt.Errorf("keep the demo's secrets: %w", err)
	}

	return s, nil
}

func (d *demo) falOptions() falsim.Options {
	return falsim.Options{Key: d.secrets.FalKey, UserID: falUser, AllowPrivateCallbacks: true, Duration: 2 * time.Second}
}

func (d *demo) startProcesses() error {
	began := time.Now()
	apiAddr, opsAddr := freeAddr(8080), freeAddr(8081)
	authAddr := freeAddr(0)

	if err := d.startAuth(authAddr, "http://"+apiAddr); err != nil {
		return err
	}

	if err := d.startCreem("http://" + apiAddr); err != nil {
		return err
	}

	env := d.buildEnvironment(apiAddr, authAddr)

	start := func(program, name, opsAddr string) (*child, error) {
		path, err := findBinary(program)
		if err != nil {
			return nil, err
		}

		own := []string{"IMAGERUN_OPS_ADDR=" + opsAddr, "IMAGERUN_POSTGRES_URL=" + d.stack.Postgres.LoginURL(program)}

		c, err := d.spawnChild(name, append(own, env...), path, "--with-parent")
		if err == nil {
			c.ops = "http://" + opsAddr
		}

		return c, err
	}

	var err error
	if d.api, err = start("api", "api", opsAddr); err != nil {
		return err
	}

	d.api.url = "http://" + apiAddr

	for i := range demoWorkers {
		w, err := start("worker", "worker-"+strconv.Itoa(i+1), freeAddr(0))
		if err != nil {
			return err
		}

		d.workers = append(d.workers, w)
	}

	if d.sched, err = start("scheduler", "scheduler", freeAddr(0)); err != nil {
		return err
	}

	for _, c := range append([]*child{d.api, d.sched}, d.workers...) {
		if err := d.awaitReady(c.name, c.ops+"/readyz"); err != nil {
			return err
		}
	}

	d.printStep("api, %d workers, scheduler and sign-in service are up (%.1f s)", demoWorkers, time.Since(began).Seconds())

	return nil
}

func (d *demo) startAuth(addr, publicURL string) error {
	node, err := exec.LookPath("node")
	if err != nil {
		return errors.New("the program node (Node.js 20 or newer) was not found: run scripts/deps.sh, which installs it")
	}

	host, port, _ := net.SplitHostPort(addr)
	opsAddr := freeAddr(0)
	opsHost, opsPort, _ := net.SplitHostPort(opsAddr)

	d.auth, err = d.spawnChild("auth", []string{
		"DATABASE_URL=" + d.stack.Postgres.AuthURL,
		"BETTER_AUTH_SECRET=" + d.secrets.Auth,
		"BETTER_AUTH_URL=" + publicURL,
		"COOKIE_PREFIX=" + cookiePrefix,
		"TRUSTED_ORIGINS=" + strings.Replace(publicURL, "127.0.0.1", "localhost", 1), // people type either
		"AUTH_RATE_LIMIT=off",
		"HOST=" + host, "PORT=" + port, "OPS_HOST=" + opsHost, "OPS_PORT=" + opsPort,
	}, node, "auth/server.mjs", "--with-parent")
	if err != nil {
		return err
	}

	d.auth.url, d.auth.ops = "http://"+addr, "http://"+opsAddr

	return d.awaitReady("auth", d.auth.ops+"/readyz")
}

// buildEnvironment is the configuration of all three Go processes.
func (d *demo) buildEnvironment(apiAddr, authAddr string) []string {
	fal := d.fal.URL

	return []string{
		"IMAGERUN_ENV=development",
		"IMAGERUN_LOG_FORMAT=text",
		"IMAGERUN_REDIS_URL=" + d.stack.Redis.URL,
		"IMAGERUN_HTTP_ADDR=" + apiAddr,
		"IMAGERUN_HTTP_PUBLIC_URL=http://" + apiAddr,
		"IMAGERUN_OPS_USER=" + operatorName,
		"IMAGERUN_OPS_PASSWORD=" + d.secrets.Operator,
		"IMAGERUN_AUTH_URL=http://" + authAddr,
		"IMAGERUN_AUTH_SECRET=" + d.secrets.Auth,
		"IMAGERUN_AUTH_COOKIE_NAME=" + cookiePrefix + ".session_token",
		"IMAGERUN_FAL_KEY=" + d.secrets.FalKey,
		"IMAGERUN_FAL_ADMIN_KEY=" + d.secrets.FalKey,
		"IMAGERUN_FAL_QUEUE_URL=" + fal + "/queue",
		"IMAGERUN_FAL_REST_URL=" + fal + "/rest",
		"IMAGERUN_FAL_API_URL=" + fal + "/v1",
		"IMAGERUN_FAL_MEDIA_HOSTS=127.0.0.1",
		"IMAGERUN_FAL_ALLOW_PRIVATE_MEDIA=true",
		"IMAGERUN_FAL_WEBHOOK_URL=http://" + apiAddr,
		"IMAGERUN_FAL_WEBHOOK_USER_ID=" + falUser,
		"IMAGERUN_FAL_SLOTS=2000",
		"IMAGERUN_CREEM_KEY=" + d.secrets.CreemKey,
		"IMAGERUN_CREEM_URL=" + d.creem.URL,
		"IMAGERUN_CREEM_WEBHOOK_SECRETS=" + d.secrets.CreemWebhook,
		"IMAGERUN_CREEM_ALLOW_PLAIN_HTTP=true",
		"IMAGERUN_STORAGE_ENDPOINT=" + d.stack.S3.URL,
		"IMAGERUN_STORAGE_REGION=" + d.stack.S3.Region,
		"IMAGERUN_STORAGE_ACCESS_KEY=" + d.stack.S3.AccessKey,
		"IMAGERUN_STORAGE_SECRET_KEY=" + d.stack.S3.SecretKey,
		"IMAGERUN_STORAGE_BUCKET=" + d.stack.S3.Bucket,
		"IMAGERUN_GENERATION_CALLBACK_SECRET=" + d.secrets.Callback,
		"IMAGERUN_CREDITS_WELCOME_KEYS=" + d.secrets.Welcome,
		"IMAGERUN_CREDITS_WELCOME=500",
		"IMAGERUN_WORKER_SOFT_STOP=3s",
		"IMAGERUN_WORKER_HARD_STOP=10s",
	}
}

// awaitReady waits until url answers 200.
func (d *demo) awaitReady(name, url string) error {
	deadline := time.Now().Add(30 * time.Second)

	for {
		status := 0

		if r, err := d.get(url); err == nil {
			status = r.StatusCode
			r.Body.Close()
		}

		switch {
		case status == http.StatusOK:
			return nil
		case d.ctx.Err() != nil:
			return d.ctx.Err()
		case time.Now().After(deadline):
			return fmt.Errorf("%s is not ready after 30 s; see the logs in %s/log", name, d.state)
		}

		d.pausePoll()
	}
}

// pausePoll passes a moment between two looks.
func (d *demo) pausePoll() {
	select {
	case <-time.After(50 * time.Millisecond):
	case <-d.ctx.Done():
	}
}

func (d *demo) get(url string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(d.ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}

	return (&http.Client{Timeout: 5 * time.Second}).Do(r)
}

// freeAddr is a loopback address that is not in use: the preferred port, or any.
func freeAddr(port int) string {
	for _, p := range []int{port, 0} {
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p)))
		if err == nil {
			defer l.Close()

			return l.Addr().String()
		}
	}

	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
