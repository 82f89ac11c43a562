package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// The example scrapes every process, at its private listener, by the names that the rules have for them.
func TestScrape_EveryProcess(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("prometheus/scrape.yaml")
	require.NoError(t, err)

	var file struct {
		Rules   []string `json:"rule_files"`
		Scrapes []struct {
			Job    string                       `json:"job_name"`
			Login  map[string]string            `json:"basic_auth"`
			Static []struct{ Targets []string } `json:"static_configs"`
			DNS    []struct {
				Names []string
				Port  int
			} `json:"dns_sd_configs"`
		} `json:"scrape_configs"`
	}

	var plain any

	require.NoError(t, yaml.Unmarshal(text, &plain))
	text, err = json.Marshal(plain)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &file))
	require.FileExists(t, "prometheus/"+file.Rules[0])

	services := compose(t).Services
	jobs := map[string]bool{}

	for _, s := range file.Scrapes {
		jobs[s.Job] = true

		var targets []string
		for _, c := range s.Static {
			targets = append(targets, c.Targets...)
		}

		for _, c := range s.DNS {
			targets = append(targets, fmt.Sprintf("%s:%d", c.Names[0], c.Port))
		}

		require.Equal(t, []string{s.Job + ":" + opsPort(services[s.Job])}, targets)
		require.Equal(t, s.Job != "auth", s.Login["username"] != "", "%s: the login", s.Job)
	}

	require.Equal(t, map[string]bool{"api": true, "worker": true, "scheduler": true, "auth": true}, jobs)
}

// opsPort returns where a service has its private listener.
func opsPort(s types.ServiceConfig) string {
	if port := s.Environment["OPS_PORT"]; port != nil {
		return *port
	}

	return strings.TrimPrefix(*s.Environment["IMAGERUN_OPS_ADDR"], ":")
}
