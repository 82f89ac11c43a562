package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"imagerun/internal/cli"
	"imagerun/internal/devstack/devtest"
)

func TestMain(m *testing.M) { devtest.Main(m) }

// TestRun_ExitCodes: 0; 1 for what failed; 2 for what was asked wrongly, the configuration included.
func TestRun_ExitCodes(t *testing.T) {
	t.Parallel()

	url, _, _ := devtest.PostgresURLs(t)
	here := []string{"IMAGERUN_POSTGRES_URL=" + url}
	nowhere := []string{"IMAGERUN_POSTGRES_URL=postgres://nobody@127.0.0.1:1/imagerun?sslmode=disable"}

	for _, c := range []struct {
		args    string
		environ []string
		code    int
		says    string
	}{
		{"jobs list", here, 0, "0 jobs"},
		{"jobs", here, 0, "Available Commands"},
		{"jobs list", nowhere, 1, "imagerun: "},
		{"jobs show 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11", here, 1, "imagerun: "},
		{"jobs list", []string{"IMAGERUN_ENV=production"}, 2, "postgres.url (IMAGERUN_POSTGRES_URL) is needed"},
		{"jobs list --nope", here, 2, "unknown flag"},
		{"jobs list --state nope", here, 2, `there is no "nope"; there are staged`},
		{"jobs show nope", here, 2, "is not the id of a job"},
		{"jobs retry", here, 2, "which jobs?"},
		{"jobs pause nope", nowhere, 2, `there is no queue "nope"; there are erasure, generation`},
		{"jobs pause", nowhere, 2, "takes one argument, a queue: erasure, generation"},
		{"credits balance nope", here, 2, "neither an id nor a support code"},
		{"credits entries 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11 --limit 0", here, 2, "--limit: must be"},
		{"config check --process nope", here, 2, `--process: there is no "nope"; there are api`},
		{"generations sweep --grace -1h", here, 2, "--grace must not be negative"},
		{"simulators --slots -1", here, 2, "--slots: must not be negative"},
	} {
		var out, complaints bytes.Buffer

		require.Equal(t, c.code, cli.Run(t.Context(), rootCommand(c.environ), strings.Fields(c.args), &out, &complaints), "%s: %s", c.args, complaints.String())
		require.Contains(t, out.String()+complaints.String(), c.says, c.args)
	}
}

// TestRun_UnknownCommand: whatever only has commands below it refuses what is none of them.
func TestRun_UnknownCommand(t *testing.T) {
	t.Parallel()

	var walk func(c *cobra.Command)

	walk = func(c *cobra.Command) {
		if !c.HasSubCommands() {
			return
		}

		var out, complaints bytes.Buffer

		path := append(strings.Fields(c.CommandPath())[1:], "nope")
		require.Equal(t, 2, cli.Run(t.Context(), rootCommand(nil), path, &out, &complaints), path)
		require.Contains(t, complaints.String(), "there is no command \"nope\": `"+c.CommandPath()+" --help` lists them")

		for _, below := range c.Commands() {
			walk(below)
		}
	}
	walk(rootCommand(nil))
}
