package apptest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"imagerun/internal/app"
	"imagerun/internal/auth/authtest"
	"imagerun/internal/config"
	"imagerun/internal/devstack"
	"imagerun/internal/devstack/devtest"
	"imagerun/internal/simulators/creemsim"
	"imagerun/internal/simulators/falsim"
	"imagerun/internal/storage/r2"
	"imagerun/internal/telemetry"
)

const (
	falKey   = "test:fal-key-of-the-tests"
	falUser  = "user_of_the_tests"
	operator = "operator"
	// Password is the operators' password of every product.
	Password = "a long enough password"
	// Welcome is how many credits every user has in the beginning, whatever they are worth elsewhere.
	Welcome = 1_000_000
)

// Options say how a product differs from the usual one.
type Options struct {
	// Workers is how many there are. Negative: none; zero: 2.
	Workers int
	// Binaries runs every process as the binary that runs in production.
	Binaries bool
	// Config holds keys and values over the usual ones, such as "fal.slots": "4".
	Config map[string]string
	// Redis is the URL of the Redis to use. Empty: a database of the test's own.
	Redis string
	// Postgres is the server to use. Nil: the one that tests share.
	Postgres *devstack.Postgres
	// Lines has every process reach Postgres, the bucket and the auth service by lines that can fail; see [Product.Lines].
	Lines bool
	// Fal is how the provider behaves; its Key, UserID and callbacks are set here.
	Fal falsim.Options
	// Creem is how who sells behaves; its key, products and webhooks are set here.
	Creem creemsim.Options
}

// Product is the whole product, ready to be used. It ends with its test.
type Product struct {
	URL      string // of the api
	OpsURL   string // of the api's private listener
	Fal      *falsim.Sim
	FalURL   string
	Creem    *creemsim.Sim
	CreemURL string
	Bucket   *r2.Bucket
	S3       devtest.Bucket
	Pool     *pgxpool.Pool // as the owner of the tables
	Redis    string        // URL
	Log      *Log          // what the processes in this process logged
	Lines    Lines         // with [Options.Lines]

	auth     *authtest.Server
	postgres string // URL, for any of the logins
	env      []string
}

// Lines are the ways of a product's processes to what they need.
type Lines struct{ Postgres, Bucket, Auth *devtest.Line }

// Start runs a product.
func Start(t testing.TB, o Options) *Product {
	t.Helper()

	appURL, authURL, ownerURL := o.makeDatabases(t)
	p := &Product{Pool: devtest.Pool(t, ownerURL), Redis: devtest.Redis(t), S3: devtest.S3(t), Log: &Log{}, postgres: appURL}

	t.Cleanup(func() { checkRights(t, p.Log) })

	if o.Redis != "" {
		p.Redis = o.Redis
	}

	addr := freeAddr(t)
	p.URL = "http://" + addr

	o.Fal.Key, o.Fal.UserID, o.Fal.AllowPrivateCallbacks = falKey, falUser, true
	p.Fal = falsim.New(o.Fal)
	t.Cleanup(p.Fal.Close)

	fal := httptest.NewServer(p.Fal.Handler())
	t.Cleanup(fal.Close)
	p.FalURL = fal.URL

	p.startCreem(t, o.Creem)

	p.auth = authtest.Start(t, appURL, authURL, authtest.Options{Origin: p.URL})
	if o.Lines {
		o.Config = p.layLines(t, appURL, o.Config)
	}

	p.env = p.productEnviron(addr, o.Config)

	cfg, err := config.Load(config.ProcessAPI, "", p.processEnviron(t, config.ProcessAPI))
	require.NoError(t, err)

	p.Bucket = r2.New(r2.Options{
		Endpoint: p.S3.URL, AccessKey: p.S3.AccessKey, SecretKey: cfg.Storage.SecretKey, Bucket: p.S3.Name, Now: time.Now,
	})

	if o.Workers == 0 {
		o.Workers = 2
	}

	run := func(process app.Process) (opsURL string) {
		if o.Binaries {
			return p.Spawn(t, process).OpsURL
		}

		return "http://" + p.Run(t, process).Private
	}

	p.OpsURL = run(app.API())
	run(app.Scheduler())

	for range o.Workers {
		run(app.Worker())
	}

	return p
}

// Run runs one more process inside this one until the test ends, and returns where it listens.
func (p *Product) Run(t testing.TB, process app.Process) app.Addrs {
	t.Helper()

	cfg, err := config.Load(process.Name, "", p.processEnviron(t, process.Name))
	require.NoError(t, err)

	log, _, err := telemetry.NewLogger(p.Log, telemetry.LogOptions{Level: cfg.Log.Level, Process: string(process.Name)})
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	up, ended := make(chan app.Addrs, 1), make(chan error, 1)

	go func() { ended <- process.Run(ctx, cfg, log, func(a app.Addrs) { up <- a }) }()

	t.Cleanup(func() {
		cancel()

		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("%s ended with: %v", process.Name, err)
			}
		case <-time.After(30 * time.Second):
			t.Errorf("%s does not stop", process.Name)
		}
	})

	select {
	case a := <-up:
		p.waitReady(t, string(process.Name), "http://"+a.Private)

		return a
	case err := <-ended:
		ended <- nil

		require.FailNow(t, "process did not start", "%s: %v\n%s", process.Name, err, p.Log)
	case <-time.After(30 * time.Second):
		require.FailNow(t, "process did not start in time", "%s\n%s", process.Name, p.Log)
	}

	return app.Addrs{}
}

// waitReady waits until a process says that it is.
func (p *Product) waitReady(t testing.TB, name, opsURL string) {
	t.Helper()

	require.Eventually(t, func() bool {
		status, _, _ := p.fetchAsOperator(t, http.MethodGet, opsURL+"/readyz")

		return status == http.StatusOK
	}, 20*time.Second, 20*time.Millisecond, "%s is not ready\n%s", name, p.Log)
}

// insufficientPrivilege is what Postgres answers to a role that may not (PostgreSQL, Appendix A), and no part of a longer number.
var insufficientPrivilege = regexp.MustCompile(`\b42501\b`)

// checkRights fails the test if Postgres refused something to the role of a process, though the product went on without.
func checkRights(t testing.TB, log *Log) {
	t.Helper()

	for line := range strings.Lines(log.String()) {
		if insufficientPrivilege.MatchString(line) {
			t.Errorf("a process lacks a right that it needs: %s", line)
		}
	}
}

// Log collects what is written to it.
type Log struct {
	mu   sync.Mutex
	text strings.Builder // guarded by mu
}

// Write implements [io.Writer].
func (l *Log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.text.Write(b)
}

// String returns everything so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()

	return l.text.String()
}
