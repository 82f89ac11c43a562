package deploy_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// What we build may write nowhere and gain nothing, and cannot take the machine's memory.
func TestCompose_Confines(t *testing.T) {
	t.Parallel()

	confined := 0

	for name, s := range compose(t).Services {
		if s.Build == nil {
			continue
		}

		confined++

		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		require.False(t, s.Privileged, name)
		require.NotNil(t, s.Deploy, name)
		require.NotNil(t, s.Deploy.Resources.Limits, name)
		require.Positive(t, s.Deploy.Resources.Limits.MemoryBytes, name)
	}

	require.GreaterOrEqual(t, confined, 7)
}

// Whoever waits for another waits until it works, and everything that stays up says whether it does.
func TestCompose_WaitsForHealth(t *testing.T) {
	t.Parallel()

	services := compose(t).Services

	for name, s := range services {
		if s.Restart != "no" {
			require.NotNil(t, s.HealthCheck, name)
		}

		for on, d := range s.DependsOn {
			want := types.ServiceConditionHealthy
			if services[on].Restart == "no" {
				want = types.ServiceConditionCompletedSuccessfully
			}

			require.Equal(t, want, d.Condition, "%s waits for %s", name, on)
		}
	}

	for _, name := range []string{"postgres", "redis", "s3"} { // what keeps data keeps it on a volume
		require.True(t, strings.HasPrefix(services[name].Volumes[0].Target, "/"), name)
		require.Equal(t, "volume", services[name].Volumes[0].Type, name)
	}
}

var probed = regexp.MustCompile(`http://127\.0\.0\.1:\d+`)

// The health checks are run here: they must tell a process that answers from one that does not.
func TestCompose_HealthChecksTell(t *testing.T) {
	t.Parallel()

	ran := 0

	for name, s := range compose(t).Services {
		if s.HealthCheck == nil || !strings.Contains(strings.Join(s.HealthCheck.Test, " "), "fetch(") {
			continue
		}

		ran++

		t.Run(name, func(t *testing.T) {
			t.Parallel()

			status := http.StatusOK
			paths := make(chan string, 10)

			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				paths <- r.URL.Path

				w.WriteHeader(status)
			}))
			defer server.Close()

			at, err := url.Parse(server.URL)
			require.NoError(t, err)

			check := func() error {
				script := probed.ReplaceAllString(s.HealthCheck.Test[3], "http://"+at.Host)

				return exec.CommandContext(t.Context(), s.HealthCheck.Test[1], s.HealthCheck.Test[2], script).Run()
			}

			require.Equal(t, "CMD", s.HealthCheck.Test[0])
			require.NoError(t, check())
			require.Contains(t, []string{"/healthz", "/livez", "/_control/stats"}, <-paths)

			status = http.StatusServiceUnavailable
			require.Error(t, check())
			server.Close()
			require.Error(t, check())
		})
	}

	require.GreaterOrEqual(t, ran, 5)
}

// Creem's simulator takes our key and signs what it tells the api with our secret; its pages have one address, inside and in a browser.
func TestCompose_SellsAtTheSimulator(t *testing.T) {
	t.Parallel()

	services := compose(t).Services
	simulators := services["simulators"]

	for _, name := range []string{"api", "worker"} {
		ours := services[name].Environment

		require.Contains(t, simulators.Command, "--creem-key="+*ours["IMAGERUN_CREEM_KEY"], name)
		require.Contains(t, simulators.Command, "--creem-webhook-secret="+*ours["IMAGERUN_CREEM_WEBHOOK_SECRETS"], name)

		at, err := url.Parse(*ours["IMAGERUN_CREEM_URL"])
		require.NoError(t, err)
		require.Contains(t, simulators.Networks["default"].Aliases, at.Hostname(), name)
		require.Contains(t, simulators.Command, "--creem-addr=:"+at.Port(), name)
		require.True(t, slices.ContainsFunc(simulators.Ports, func(p types.ServicePortConfig) bool { return p.Published == at.Port() }), name)
	}
}
