package config_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"imagerun/internal/config"
	"imagerun/internal/redact"
)

var update = flag.Bool("update", false, "write config.example.yaml") //nolint:gochecknoglobals // a test flag

// compareAll makes go-cmp look into secrets and prefixes, which hide their insides.
func compareAll() cmp.Options {
	return cmp.Options{
		cmp.Comparer(func(a, b redact.Secret) bool { return a == b }),
		cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	}
}

func write(t *testing.T, yaml string) string {
	t.Helper()

	file := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(yaml), 0o600))

	return file
}

// complete is an environment that every process starts with.
func complete(changes ...string) []string {
	env := []string{
		"PATH=/bin",
		"IMAGERUN_POSTGRES_URL=postgres://api:pw@db/imagerun?sslmode=require",
		"IMAGERUN_POSTGRES_OWNER_URL=postgres://owner:other@db/imagerun?sslmode=verify-full",
		"IMAGERUN_REDIS_URL=rediss+cluster://a:1,b:2",
		"IMAGERUN_HTTP_PUBLIC_URL=https://imagerun.example",
		"IMAGERUN_HTTP_CLIENT_ADDRESS_HEADER=X-Forwarded-For",
		"IMAGERUN_HTTP_TRUSTED_PROXIES=10.0.0.0/8",
		"IMAGERUN_OPS_USER=operator",
		"IMAGERUN_OPS_PASSWORD=correct horse battery",
		"IMAGERUN_AUTH_URL=http://127.0.0.1:3005",
		"IMAGERUN_AUTH_SECRET=" + strings.Repeat("a", 32),
		"IMAGERUN_FAL_KEY=id:secret",
		"IMAGERUN_STORAGE_ENDPOINT=https://account.r2.cloudflarestorage.com",
		"IMAGERUN_STORAGE_ACCESS_KEY=ak",
		"IMAGERUN_STORAGE_SECRET_KEY=sk",
		"IMAGERUN_STORAGE_BUCKET=images",
		"IMAGERUN_GENERATION_CALLBACK_SECRET=" + strings.Repeat("c", 32),
	}

	return append(slices.DeleteFunc(env, func(variable string) bool {
		name, _, _ := strings.Cut(variable, "=")

		return slices.ContainsFunc(changes, func(change string) bool { return strings.HasPrefix(change, name+"=") })
	}), changes...)
}

func TestLoad_EverySourceReachesEveryType(t *testing.T) {
	t.Parallel()

	want := config.Default()
	want.Env = config.Development
	want.Postgres.URL = redact.NewSecret("postgres://x")
	want.Postgres.MaxConns = 4
	want.Postgres.StatementTimeout = 1500 * time.Millisecond
	want.HTTP.ClientAddressHeader = "X-Forwarded-For"
	want.HTTP.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32")}
	want.Fal.MediaHosts = []string{"fal.media", "media.example"}
	want.Fal.AllowPrivateMedia = true
	want.Worker.Queues = config.Queues{"generation": 2, "email": 3}

	fromFile := `
env: development
postgres:
  url: postgres://x
  max_conns: 4
  statement_timeout: 1500ms
redis:
http:
  client_address_header: X-Forwarded-For
  trusted_proxies: [10.0.0.0/8, 192.0.2.1/32]
fal:
  media_hosts:
    - fal.media
    - media.example
  allow_private_media: true
worker:
  queues:
    generation: 2
    email: 3
`
	fromEnvironment := []string{
		"IMAGERUN_ENV=development",
		"IMAGERUN_POSTGRES_URL=postgres://x",
		"IMAGERUN_POSTGRES_MAX_CONNS=4",
		"IMAGERUN_POSTGRES_STATEMENT_TIMEOUT=1500ms",
		"IMAGERUN_REDIS_URL=",
		"IMAGERUN_HTTP_CLIENT_ADDRESS_HEADER=X-Forwarded-For",
		"IMAGERUN_HTTP_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.1/32",
		"IMAGERUN_FAL_MEDIA_HOSTS=fal.media,media.example",
		"IMAGERUN_FAL_ALLOW_PRIVATE_MEDIA=true",
		"IMAGERUN_WORKER_QUEUES=generation=2,email=3",
	}

	got, err := config.Load("", write(t, fromFile), nil)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got, compareAll()))

	got, err = config.Load("", "", fromEnvironment)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got, compareAll()))
}

func TestLoad_EnvironmentBeatsFile(t *testing.T) {
	t.Parallel()

	file := write(t, "fal:\n  slots: 5\nworker:\n  queues:\n    generation: 9\nlog:\n  level: warn\n")
	got, err := config.Load("", "", []string{
		"IMAGERUN_CONFIG=" + file, "IMAGERUN_FAL_SLOTS=7", "IMAGERUN_WORKER_QUEUES=email=1",
	})

	require.NoError(t, err)
	require.Equal(t, 7, got.Fal.Slots)
	require.Equal(t, config.Queues{"email": 1}, got.Worker.Queues)
	require.Equal(t, "warn", got.Log.Level)
}

func TestLoad_CompleteConfigurationsOfEveryProcess(t *testing.T) {
	t.Parallel()

	for _, process := range config.Processes() {
		_, err := config.Load(process, "", complete())
		require.NoError(t, err, process)
	}
}

func TestLoad_EachProcessNamesAllItLacks(t *testing.T) {
	t.Parallel()

	for _, process := range config.Processes() {
		_, err := config.Load(process, "", nil)
		require.Error(t, err)
		require.NotEmpty(t, config.Needs(process))

		for _, key := range config.Needs(process) {
			require.ErrorContains(t, err, fmt.Sprintf("%s (%s) is needed by the %s", key, config.Variable(key), process))
		}
	}

	_, err := config.Load(config.ProcessScheduler, "", nil)
	require.NotContains(t, err.Error(), "fal.key")
}

func TestLoad_Refusals(t *testing.T) {
	t.Parallel()

	const development = "IMAGERUN_ENV=development"

	tests := map[string]struct {
		file string
		env  []string
		want []string // parts of the one complaint
	}{
		"unknown key":                {file: "fal:\n  keyy: x\n", want: []string{"fal.keyy (IMAGERUN_FAL_KEYY) does not exist: did you mean fal.key?"}},
		"unknown key, nothing near":  {file: "zzz: 1\n", want: []string{"zzz", "config.example.yaml lists"}},
		"unknown section":            {file: "postgress:\n  url: x\n", want: []string{"postgress.url", "did you mean postgres.url?"}},
		"value in place of section":  {file: "fal: 3\n", want: []string{"fal (IMAGERUN_FAL) is a section"}},
		"unknown variable":           {env: []string{"IMAGERUN_FAL_SLOT=3"}, want: []string{"IMAGERUN_FAL_SLOT does not exist: did you mean IMAGERUN_FAL_SLOTS?"}},
		"not yaml":                   {file: "fal:\n  key: x\n bad", want: []string{"is not valid YAML near line"}},
		"not a mapping":              {file: "just text", want: []string{"is not valid YAML"}},
		"duration without unit":      {file: "generation:\n  deadline: 10\n", want: []string{"generation.deadline (IMAGERUN_GENERATION_DEADLINE)", "duration with its unit"}},
		"duration of nothing":        {env: []string{"IMAGERUN_GENERATION_UNKNOWN_WAIT=0s"}, want: []string{"generation.unknown_wait", "more than zero"}},
		"fraction as count":          {file: "fal:\n  slots: 1.5\n", want: []string{"fal.slots", "whole number"}},
		"words as count":             {env: []string{"IMAGERUN_FAL_SLOTS=two"}, want: []string{"fal.slots", "whole number"}},
		"negative count":             {env: []string{"IMAGERUN_FAL_SLOTS=-1"}, want: []string{"fal.slots", "more than zero"}},
		"words as switch":            {env: []string{"IMAGERUN_FAL_ALLOW_PRIVATE_MEDIA=perhaps"}, want: []string{"fal.allow_private_media", "true or false"}},
		"short secret in a list":     {env: []string{"IMAGERUN_CREDITS_WELCOME_KEYS=0123456789abcdef0123456789abcdef,short"}, want: []string{"credits.welcome_keys", "32"}},
		"number as secret":           {file: "ops:\n  password: 0123456789012\n", want: []string{"ops.password", "quotes"}},
		"mapping as secret":          {file: "ops:\n  password:\n    value: x\n", want: []string{"ops.password (", "quotes"}},
		"network without mask":       {env: []string{"IMAGERUN_HTTP_TRUSTED_PROXIES=10.0.0.1"}, want: []string{"http.trusted_proxies", "networks"}},
		"header without proxies":     {env: []string{"IMAGERUN_HTTP_CLIENT_ADDRESS_HEADER=X-Real-IP"}, want: []string{"http.trusted_proxies", "is needed with http.client_address_header"}},
		"header with colon":          {env: []string{"IMAGERUN_HTTP_CLIENT_ADDRESS_HEADER=X-Real-IP:"}, want: []string{"http.client_address_header", "name of a header"}},
		"cookie name with space":     {env: []string{"IMAGERUN_AUTH_COOKIE_NAME=a b"}, want: []string{"auth.cookie_name"}},
		"queues without count":       {env: []string{"IMAGERUN_WORKER_QUEUES=generation"}, want: []string{"worker.queues", "generation=50"}},
		"queues twice":               {env: []string{"IMAGERUN_WORKER_QUEUES=a=1,a=2"}, want: []string{"worker.queues"}},
		"queues of zero":             {env: []string{"IMAGERUN_WORKER_QUEUES=a=0"}, want: []string{"worker.queues"}},
		"queues of zero in the file": {file: "worker:\n  queues:\n    a: 0\n", want: []string{"worker.queues"}},
		"other environment":          {env: []string{"IMAGERUN_ENV=staging"}, want: []string{"env (IMAGERUN_ENV) must be one of development, production"}},
		"other log level":            {env: []string{"IMAGERUN_LOG_LEVEL=loud"}, want: []string{"log.level", "debug, info, warn, error"}},
		"other log format":           {env: []string{"IMAGERUN_LOG_FORMAT=xml"}, want: []string{"log.format", "json, text"}},
		"other database":             {env: []string{"IMAGERUN_POSTGRES_URL=mysql://u:p@h/d"}, want: []string{"postgres.url", "postgres://"}},
		"other redis":                {env: []string{"IMAGERUN_REDIS_URL=localhost:6379"}, want: []string{"redis.url", "redis://"}},
		"port as address":            {env: []string{"IMAGERUN_HTTP_ADDR=8080"}, want: []string{"http.addr", `":8080"`}},
		"port too high":              {env: []string{"IMAGERUN_OPS_ADDR=:70000"}, want: []string{"ops.addr"}},
		"short secret":               {env: []string{"IMAGERUN_AUTH_SECRET=short"}, want: []string{"auth.secret", "at least 32 characters"}},
		"short password":             {env: []string{"IMAGERUN_OPS_PASSWORD=short"}, want: []string{"ops.password", "at least 12 characters"}},
		"short callback secret":      {env: []string{"IMAGERUN_GENERATION_CALLBACK_SECRET=short"}, want: []string{"generation.callback_secret", "at least 32 characters"}},
		"public url with path":       {env: []string{"IMAGERUN_HTTP_PUBLIC_URL=https://a.example/b"}, want: []string{"http.public_url", "without a path"}},
		"public url with password":   {env: []string{"IMAGERUN_HTTP_PUBLIC_URL=https://u:p@a.example"}, want: []string{"http.public_url", "without user, password"}},
		"public url without host":    {env: []string{"IMAGERUN_HTTP_PUBLIC_URL=imagerun"}, want: []string{"http.public_url", "such as https://"}},
		"short unknown wait":         {env: []string{"IMAGERUN_GENERATION_UNKNOWN_WAIT=5s"}, want: []string{"generation.unknown_wait", "at least 20s in production"}},
		"plain public url":           {env: []string{"IMAGERUN_HTTP_PUBLIC_URL=http://a.example"}, want: []string{"http.public_url", "https:// in production"}},
		"plain vendor":               {env: []string{"IMAGERUN_FAL_QUEUE_URL=http://127.0.0.1:9"}, want: []string{"fal.queue_url", "https:// in production"}},
		"plain store":                {env: []string{"IMAGERUN_STORAGE_ENDPOINT=http://127.0.0.1:9"}, want: []string{"storage.endpoint", "https:// in production"}},
		"private media":              {env: []string{"IMAGERUN_FAL_ALLOW_PRIVATE_MEDIA=true"}, want: []string{"fal.allow_private_media", "development alone"}},
		"address as media host":      {env: []string{"IMAGERUN_FAL_MEDIA_HOSTS=10.0.0.1"}, want: []string{"fal.media_hosts", "not addresses"}},
		"url as media host":          {env: []string{"IMAGERUN_FAL_MEDIA_HOSTS=https://fal.media/"}, want: []string{"fal.media_hosts", "without scheme"}},
		"no media host":              {file: "fal:\n  media_hosts: []\n", want: []string{"fal.media_hosts", "must name the hosts"}},
		"webhook without user":       {env: []string{"IMAGERUN_FAL_WEBHOOK_URL=https://a.example"}, want: []string{"fal.webhook_user_id", "is needed with fal.webhook_url"}},
		"window beyond seven days":   {env: []string{"IMAGERUN_STORAGE_LINK_WINDOW=85h"}, want: []string{"storage.link_window", "84h"}},
		"deadline beyond longest":    {env: []string{"IMAGERUN_GENERATION_DEADLINE=2h"}, want: []string{"generation.deadline", "max_deadline"}},
		"credit worth nothing":       {env: []string{"IMAGERUN_CREDITS_VALUE_USD=0"}, want: []string{"credits.value_usd", "above zero"}},
		"credit worth a word":        {env: []string{"IMAGERUN_CREDITS_VALUE_USD=a cent"}, want: []string{"credits.value_usd", "above zero"}},
		"credit worth infinity":      {env: []string{"IMAGERUN_CREDITS_VALUE_USD=inf"}, want: []string{"credits.value_usd", "above zero"}},
		"hard stop before soft":      {env: []string{"IMAGERUN_WORKER_HARD_STOP=10s"}, want: []string{"worker.hard_stop", "soft_stop"}},
		"path as media host in dev":  {env: []string{development, "IMAGERUN_FAL_MEDIA_HOSTS=127.0.0.1/x"}, want: []string{"fal.media_hosts", "without scheme"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			file := ""
			if test.file != "" {
				file = write(t, test.file)
			}

			got, err := config.Load("", file, test.env)

			require.Error(t, err)
			require.Len(t, strings.Split(err.Error(), "\n"), 1, err.Error())

			for _, part := range test.want {
				require.ErrorContains(t, err, part)
			}

			require.Empty(t, cmp.Diff(config.Config{}, got, compareAll()))
		})
	}
}

func TestLoad_ReportsEverythingAtOnce(t *testing.T) {
	t.Parallel()

	file := write(t, "fal:\n  slots: many\n  wrong: 1\nlog:\n  level: loud\n")
	_, err := config.Load(config.ProcessWorker, file, []string{"IMAGERUN_OOPS=1", "IMAGERUN_WORKER_SOFT_STOP=later"})

	for _, part := range []string{
		"fal.slots", "fal.wrong", "log.level", "IMAGERUN_OOPS", "worker.soft_stop", "fal.key", "postgres.url",
	} {
		require.ErrorContains(t, err, part)
	}
}

func TestLoad_MissingFile(t *testing.T) {
	t.Parallel()

	_, err := config.Load("", filepath.Join(t.TempDir(), "none.yaml"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestLoad_DevelopmentAllowsSimulators(t *testing.T) {
	t.Parallel()

	_, err := config.Load(config.ProcessAPI, "", complete(
		"IMAGERUN_ENV=development",
		"IMAGERUN_HTTP_PUBLIC_URL=http://127.0.0.1:8080",
		"IMAGERUN_FAL_QUEUE_URL=http://127.0.0.1:9001",
		"IMAGERUN_FAL_MEDIA_HOSTS=127.0.0.1",
		"IMAGERUN_FAL_ALLOW_PRIVATE_MEDIA=true",
		"IMAGERUN_STORAGE_ENDPOINT=http://127.0.0.1:9002",
		"IMAGERUN_FAL_WEBHOOK_URL=http://127.0.0.1:8080",
		"IMAGERUN_FAL_WEBHOOK_USER_ID=user",
	))
	require.NoError(t, err)
}

// Whatever key a secret lands in by mistake, no complaint repeats it.
func TestLoad_NoErrorRepeatsAValue(t *testing.T) {
	t.Parallel()

	const canary = "c4n4ry"

	var env []string
	for _, key := range config.Describe() {
		env = append(env, key.Variable+"=:// "+canary)
	}

	_, err := config.Load(config.ProcessAPI, "", env)
	require.Error(t, err)
	require.NotContains(t, err.Error(), canary)

	for _, yaml := range []string{canary, "fal: " + canary, "fal: [" + canary + "]", "fal:\n  key: {a: " + canary + "}", "a: &" + canary, "\t" + canary} {
		_, err := config.Load("", write(t, yaml), nil)
		require.Error(t, err, yaml)
		require.NotContains(t, err.Error(), canary)
	}
}

func TestConfig_PrintsNoSecret(t *testing.T) {
	t.Parallel()

	const canary = "c4n4ry-c4n4ry-c4n4ry-c4n4ry-c4n4ry"

	env := []string{"IMAGERUN_ENV=development"} // production takes no secret twice

	for _, key := range config.Describe() {
		if key.Secret {
			value := canary
			if strings.HasSuffix(key.Name, "url") {
				value = strings.Split(key.Name, ".")[0] + "://user:" + canary + "@host/"
			}

			env = append(env, key.Variable+"="+value)
		}
	}

	require.GreaterOrEqual(t, len(env), 7)

	cfg, err := config.Load("", "", env)
	require.NoError(t, err)
	require.Contains(t, cfg.Postgres.URL.Reveal(), canary)

	for _, printed := range []string{string(cfg.Dump()), fmt.Sprintf("%v %+v %#v", cfg, cfg, cfg)} {
		require.Contains(t, printed, redact.Mask)
		require.NotContains(t, printed, canary)
	}
}

func TestExample_IsFreshAndLoads(t *testing.T) {
	t.Parallel()

	const file = "../../config.example.yaml"

	if *update {
		require.NoError(t, os.WriteFile(file, config.Example(), 0o600))
	}

	committed, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(string(committed), string(config.Example())), "go test ./internal/config -update")

	got, err := config.Load("", file, nil)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(config.Default(), got, compareAll()))
}

// Dump is valid input, except for what it redacts.
func TestConfig_DumpLoads(t *testing.T) {
	t.Parallel()

	want, err := config.Load("", "", []string{"IMAGERUN_LOG_LEVEL=debug", "IMAGERUN_HTTP_TRUSTED_PROXIES=10.0.0.0/8", "IMAGERUN_GENERATION_UNKNOWN_WAIT=1h0m7s"})
	require.NoError(t, err)

	got, err := config.Load("", write(t, string(want.Dump())), nil)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, got, compareAll()))
}

func TestDescribe_EveryKeyIsDocumented(t *testing.T) {
	t.Parallel()

	for _, key := range config.Describe() {
		require.NotEmpty(t, key.Doc, key.Name)
		require.Equal(t, config.Variable(key.Name), key.Variable)
	}
}

func ExampleLoad() {
	_, err := config.Load(config.ProcessMigrate, "", []string{"IMAGERUN_LOG_LEVL=debug"})
	fmt.Println(err)
	// Output:
	// the environment variable IMAGERUN_LOG_LEVL does not exist: did you mean IMAGERUN_LOG_LEVEL?
	// postgres.owner_url (IMAGERUN_POSTGRES_OWNER_URL) is needed by the migrate: The same database as the role that owns the tables. Only migrate needs it: leave it out of the other processes.
}
