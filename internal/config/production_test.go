package config_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/config"
)

func TestLoad_ProductionRefuses(t *testing.T) {
	t.Parallel()

	tests := map[string]struct {
		env  []string
		want []string // the keys that are wrong
		risk string   // what accepts it
	}{
		"no address of callers":       {[]string{"IMAGERUN_HTTP_CLIENT_ADDRESS_HEADER="}, []string{"http.client_address_header"}, "client_address"},
		"everybody is a proxy":        {[]string{"IMAGERUN_HTTP_TRUSTED_PROXIES=10.0.0.0/8,0.0.0.0/0"}, []string{"http.trusted_proxies"}, ""},
		"everybody is a proxy, IPv6":  {[]string{"IMAGERUN_HTTP_TRUSTED_PROXIES=::/0"}, []string{"http.trusted_proxies"}, ""},
		"cookie of any host":          {[]string{"IMAGERUN_AUTH_COOKIE_NAME=__Secure-imagerun.session_token"}, []string{"auth.cookie_name"}, ""},
		"published secret":            {[]string{"IMAGERUN_AUTH_SECRET=a-secret-of-development-for-sessions"}, []string{"auth.secret"}, ""},
		"published secret in a list":  {[]string{"IMAGERUN_CREDITS_WELCOME_KEYS=" + strings.Repeat("w", 32) + ",a-secret-of-development-for-addresses"}, []string{"credits.welcome_keys"}, ""},
		"published password":          {[]string{"IMAGERUN_POSTGRES_URL=postgres://api:imagerun%2Dapi@db/imagerun?sslmode=require"}, []string{"postgres.url"}, ""},
		"one secret for two purposes": {[]string{"IMAGERUN_GENERATION_CALLBACK_SECRET=" + strings.Repeat("a", 32)}, []string{"generation.callback_secret"}, ""},
		"one password for two roles":  {[]string{"IMAGERUN_POSTGRES_OWNER_URL=postgres://owner:pw@db/imagerun?sslmode=require"}, []string{"postgres.owner_url"}, ""},
		"one password for two stores": {[]string{"IMAGERUN_REDIS_URL=rediss://:pw@r:1"}, []string{"redis.url"}, ""},
		"postgres by chance":          {[]string{"IMAGERUN_POSTGRES_URL=postgres://api:pw@db/imagerun"}, []string{"postgres.url"}, "plain_postgres"},
		"postgres if it can":          {[]string{"IMAGERUN_POSTGRES_URL=postgres://api:pw@db/imagerun?sslmode=prefer"}, []string{"postgres.url"}, "plain_postgres"},
		"postgres in the clear":       {[]string{"IMAGERUN_POSTGRES_URL=postgres://api:pw@10.0.0.1/imagerun?sslmode=disable"}, []string{"postgres.url"}, "plain_postgres"},
		"one postgres is elsewhere":   {[]string{"IMAGERUN_POSTGRES_URL=postgres://api:pw@127.0.0.1,db/imagerun?sslmode=disable"}, []string{"postgres.url"}, "plain_postgres"},
		"the owner in the clear":      {[]string{"IMAGERUN_POSTGRES_OWNER_URL=postgres://owner:other@db/imagerun"}, []string{"postgres.owner_url"}, "plain_postgres"},
		"redis in the clear":          {[]string{"IMAGERUN_REDIS_URL=redis://:password@r:6379/0"}, []string{"redis.url"}, "plain_redis"},
		"cluster in the clear":        {[]string{"IMAGERUN_REDIS_URL=redis+cluster://127.0.0.1:1,b:2"}, []string{"redis.url"}, "plain_redis"},
		"sentinel in the clear":       {[]string{"IMAGERUN_REDIS_URL=redis+sentinel://a:1,b:2/main"}, []string{"redis.url"}, "plain_redis"},
		"all of it": {
			[]string{"IMAGERUN_HTTP_CLIENT_ADDRESS_HEADER=", "IMAGERUN_POSTGRES_URL=postgres://api:pw@db/i", "IMAGERUN_REDIS_URL=redis://r"},
			[]string{"postgres.url", "redis.url", "http.client_address_header"}, "plain_postgres,plain_redis,client_address",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			env := complete(test.env...)
			_, err := config.Load(config.ProcessAPI, "", env)
			require.Error(t, err)

			lines := strings.Split(err.Error(), "\n")
			require.Len(t, lines, len(test.want), err.Error())

			for i, key := range test.want {
				require.True(t, strings.HasPrefix(lines[i], key+" ("), lines[i])
			}

			_, err = config.Load(config.ProcessAPI, "", append(env, "IMAGERUN_ACCEPTED_RISKS="+test.risk))
			if test.risk == "" {
				require.Error(t, err)
			} else {
				require.NoError(t, err)

				for risk := range strings.SplitSeq(test.risk, ",") {
					require.ErrorContains(t, loadError(env), risk, "the refusal says how to accept it")
				}
			}

			_, err = config.Load(config.ProcessAPI, "", append(env, "IMAGERUN_ENV=development"))
			require.NoError(t, err)
		})
	}
}

func loadError(env []string) error {
	_, err := config.Load(config.ProcessAPI, "", env)

	return err
}

func TestLoad_ProductionTakesWhatStaysHere(t *testing.T) {
	t.Parallel()

	for _, env := range []string{
		"IMAGERUN_POSTGRES_URL=postgres://api:pw@127.0.0.1/imagerun", "IMAGERUN_POSTGRES_URL=postgres://api:pw@localhost,[::1]/imagerun",
		"IMAGERUN_POSTGRES_URL=postgres://api:pw@/imagerun?host=/run/postgresql", "IMAGERUN_POSTGRES_URL=postgres://api:pw@a,b/imagerun?sslmode=verify-full",
		"IMAGERUN_REDIS_URL=redis://127.0.0.1:6379/0", "IMAGERUN_REDIS_URL=redis://user:password@localhost", "IMAGERUN_REDIS_URL=redis+sentinel://[::1]:1,localhost:2/main",
		"IMAGERUN_REDIS_URL=rediss://user:password@r:6379?ca_file=/etc/ca.pem",
	} {
		require.NoError(t, loadError(complete(env)), env)
	}

	// Whom it does not concern is not asked.
	_, err := config.Load(config.ProcessWorker, "", complete("IMAGERUN_HTTP_CLIENT_ADDRESS_HEADER="))
	require.NoError(t, err)

	require.ErrorContains(t, loadError(complete("IMAGERUN_ACCEPTED_RISKS=plain_mail")), "must name only plain_postgres, plain_redis, client_address")
}
