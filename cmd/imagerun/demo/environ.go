package demo

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"imagerun/internal/cli"
	"imagerun/internal/config"
	"imagerun/internal/devstack"
)

// AddEnviron adds to an environment that says nothing of ours where the demo of this folder keeps its things, for
// the commands that an operator tries out there. It says so: an operator who changes something should know where.
func AddEnviron(args, environ []string, complaints io.Writer) []string {
	set := func(v string) bool { return strings.HasPrefix(v, config.EnvPrefix) }
	file := func(arg string) bool { return arg == "--config" || strings.HasPrefix(arg, "--config=") }

	if len(args) == 0 || !slices.Contains([]string{"jobs", "generations", "credits", "payments"}, args[0]) || slices.ContainsFunc(args, file) ||
		slices.ContainsFunc(environ, set) {
		return environ
	}

	root, err := devstack.Root()
	if err != nil {
		return environ
	}

	path := filepath.Join(root, ".imagerun", "dev.json")

	text, err := os.ReadFile(path)
	if err != nil {
		return environ
	}

	var dev devFile
	if err := json.Unmarshal(text, &dev); err != nil || dev.PostgresURL == "" {
		return environ
	}

	if !slices.Contains(args, "--help") {
		cli.PrintLine(complaints, "imagerun: works on the demo, as %s says", path)
	}

	return append(slices.Clone(environ),
		config.Variable("env")+"=development",
		config.Variable("postgres.url")+"="+dev.PostgresURL,
		config.Variable("creem.key")+"="+dev.Simulators["creem"].APIKey,
		config.Variable("creem.url")+"="+dev.Simulators["creem"].URL,
		config.Variable("creem.allow_plain_http")+"=true",
		config.Variable("storage.endpoint")+"="+dev.S3.URL,
		config.Variable("storage.region")+"="+dev.S3.Region,
		config.Variable("storage.access_key")+"="+dev.S3.AccessKey,
		config.Variable("storage.secret_key")+"="+dev.S3.SecretKey,
		config.Variable("storage.bucket")+"="+dev.S3.Bucket,
	)
}
