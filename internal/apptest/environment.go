package apptest

import (
	"maps"
	"math/rand/v2"
	"net"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/config"
	"imagerun/internal/devstack/devtest"
)

// layLines puts a line before each server, and returns the configuration that goes by them.
func (p *Product) layLines(t testing.TB, postgresURL string, over map[string]string) map[string]string {
	t.Helper()

	lay := func(rawURL string) (*devtest.Line, string) {
		u, err := url.Parse(rawURL)
		require.NoError(t, err)

		line := devtest.NewLine(t, u.Host)
		u.Host = line.Addr

		return line, u.String()
	}

	keys := map[string]string{}
	p.Lines.Postgres, p.postgres = lay(postgresURL)
	p.Lines.Bucket, keys["storage.endpoint"] = lay(p.S3.URL)
	p.Lines.Auth, keys["auth.url"] = lay(p.auth.URL)
	maps.Copy(keys, over)

	return keys
}

// makeDatabases makes a database, and returns its URLs for the application, the auth service and the owner.
func (o Options) makeDatabases(t testing.TB) (app, auth, owner string) {
	t.Helper()

	if o.Postgres == nil {
		return devtest.PostgresURLs(t)
	}

	app, auth, owner, err := o.Postgres.NewDatabase(t.Context(), "product")
	require.NoError(t, err)

	return app, auth, owner
}

// OperatorURL is how the operators' tool connects to Postgres.
func (p *Product) OperatorURL(t testing.TB) string {
	t.Helper()

	return devtest.As(t, p.postgres, string(config.ProcessOperator))
}

// processEnviron is what a process gets: it connects to Postgres as itself.
func (p *Product) processEnviron(t testing.TB, process config.Process) []string {
	t.Helper()

	return append(slices.Clone(p.env), config.Variable("postgres.url")+"="+devtest.As(t, p.postgres, string(process)))
}

func (p *Product) productEnviron(addr string, over map[string]string) []string {
	keys := map[string]string{
		"env": "development", "log.level": "debug",
		"redis.url": p.Redis,
		"http.addr": addr, "http.public_url": p.URL,
		"ops.addr": "127.0.0.1:0", "ops.user": operator, "ops.password": Password,
		"auth.url": p.auth.URL, "auth.secret": p.auth.Secret.Reveal(), "auth.cookie_name": p.auth.CookieName,
		"fal.key": falKey, "fal.admin_key": falKey, "fal.queue_url": p.FalURL + "/queue", "fal.rest_url": p.FalURL + "/rest", "fal.api_url": p.FalURL + "/v1",
		"fal.media_hosts": "127.0.0.1", "fal.allow_private_media": "true",
		"fal.webhook_url": p.URL, "fal.webhook_user_id": falUser, "fal.slots": "2000",
		"creem.key": CreemKey, "creem.url": p.CreemURL, "creem.webhook_secrets": CreemSecret, "creem.allow_plain_http": "true",
		"storage.endpoint": p.S3.URL, "storage.region": p.S3.Region, "storage.access_key": p.S3.AccessKey,
		"storage.secret_key": p.S3.SecretKey, "storage.bucket": p.S3.Name,
		"generation.callback_secret": "a secret that signs only the callbacks of tests",
		"credits.welcome_keys":       "a secret that marks only the addresses of tests",
		"credits.welcome":            strconv.Itoa(Welcome),
		"worker.soft_stop":           "2s", "worker.hard_stop": "10s",
	}
	maps.Copy(keys, over)

	env := make([]string, 0, len(keys))
	for k, v := range keys {
		env = append(env, config.Variable(k)+"="+v)
	}

	return env
}

// freeAddr returns an address that no process listens on. Its port is below those that systems give to connections and to
// listeners of any port, so that none of these takes it before it is used.
func freeAddr(t testing.TB) string {
	t.Helper()

	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(10_000+rand.IntN(20_000))) //nolint:gosec,noctx // of a test
		if err == nil {
			require.NoError(t, l.Close())

			return l.Addr().String()
		}
	}

	require.FailNow(t, "no port is free")

	return ""
}
