package config

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"imagerun/internal/config"
)

// A file that a process would refuse when it starts is refused by the check, for each process that reads it.
func TestConfigCheck_ReadsTheFiles(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.json")
	require.NoError(t, os.WriteFile(broken, []byte(`{"nonsense": 1}`), 0o600))

	environ := []string{
		"IMAGERUN_ENV=development", "IMAGERUN_POSTGRES_URL=postgres://h/d", "IMAGERUN_REDIS_URL=redis://h",
		"IMAGERUN_OPS_USER=operator", "IMAGERUN_OPS_PASSWORD=a long enough password",
		"IMAGERUN_HTTP_PUBLIC_URL=http://localhost:8080", "IMAGERUN_AUTH_URL=http://localhost:8082", "IMAGERUN_FAL_KEY=a:b",
		"IMAGERUN_AUTH_SECRET=a secret that signs only sessions of tests", "IMAGERUN_GENERATION_CALLBACK_SECRET=a secret that signs only callbacks of tests",
		"IMAGERUN_STORAGE_ENDPOINT=http://localhost:7070", "IMAGERUN_STORAGE_ACCESS_KEY=a", "IMAGERUN_STORAGE_SECRET_KEY=b", "IMAGERUN_STORAGE_BUCKET=c",
	}
	check := func(process config.Process, more ...string) error {
		c := Command(append(append([]string{}, environ...), more...))
		c.SilenceUsage, c.SilenceErrors = true, true
		c.SetOut(new(bytes.Buffer))
		c.SetArgs([]string{"check", "--process", string(process)})

		return c.ExecuteContext(t.Context())
	}

	for _, process := range []config.Process{config.ProcessAPI, config.ProcessWorker, config.ProcessScheduler} {
		require.NoError(t, check(process))

		for _, variable := range []string{"IMAGERUN_GENERATION_CATALOGUE_PATH", "IMAGERUN_GENERATION_PLANS_PATH"} {
			err := check(process, variable+"="+broken)
			require.ErrorContains(t, err, "nonsense", "%s %s", process, variable)
			require.ErrorContains(t, err, "the configuration is not valid")
			require.ErrorIs(t, check(process, variable+"="+filepath.Join(dir, "none.json")), os.ErrNotExist, "%s %s", process, variable)
		}
	}

	err := check(config.ProcessWorker, "IMAGERUN_GENERATION_PLANS_PATH="+broken, "IMAGERUN_GENERATION_CATALOGUE_PATH="+broken, "IMAGERUN_WORKER_QUEUES=nothing=1")
	for _, part := range []string{"plans: ", "catalogue: ", "worker.queues"} {
		require.ErrorContains(t, err, part, "all that is wrong, at once")
	}
}
