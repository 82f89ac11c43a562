package deploy_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"imagerun/internal/config"
)

const root = ".."

// process is a command that a platform is told to run.
type process struct {
	name    string
	command []string
}

func compose(t *testing.T, profiles ...string) *types.Project {
	t.Helper()

	options, err := cli.NewProjectOptions([]string{filepath.Join(root, "compose.yaml")}, cli.WithName("imagerun"), cli.WithProfiles(profiles))
	require.NoError(t, err)

	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)

	return project
}

// ours lists every command of compose.yaml that runs in our image, and every one of the Procfile.
func ours(t *testing.T) []process {
	t.Helper()

	var list []process

	for name, s := range compose(t).Services {
		if s.Build != nil && s.Build.Target == "imagerun" {
			list = append(list, process{"compose.yaml " + name, s.Command})
		}
	}

	text, err := os.ReadFile(filepath.Join(root, "Procfile"))
	require.NoError(t, err)

	for line := range strings.Lines(string(text)) {
		name, command, ok := strings.Cut(line, ":")
		require.True(t, ok, line)

		list = append(list, process{"Procfile " + name, strings.Fields(command)})
	}

	return list
}

func TestCommandsExist(t *testing.T) {
	t.Parallel()

	bin := t.TempDir()

	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin+string(filepath.Separator), "./cmd/...")
	build.Dir = root
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))

	processes := ours(t)
	require.GreaterOrEqual(t, len(processes), 11)

	for _, p := range processes {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()

			require.NotEmpty(t, p.command, "say which process it is")

			program := p.command[0]
			if program != "node" {
				program = filepath.Join(bin, program)
			}

			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()

			cmd := exec.CommandContext(ctx, program, append(slices.Clone(p.command[1:]), "--help")...)
			cmd.Dir = root
			// As on a platform: nothing of this machine's configuration.
			cmd.Env = []string{"PATH=" + os.Getenv("PATH")}

			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "sage:", "--help says how it is used")
		})
	}
}

func TestCompose_SetsKeysThatExist(t *testing.T) {
	t.Parallel()

	example, err := os.ReadFile(filepath.Join(root, "config.example.yaml"))
	require.NoError(t, err)

	seen := 0

	for name, s := range compose(t).Services {
		for key := range s.Environment {
			if strings.HasPrefix(key, "IMAGERUN_") {
				require.Regexp(t, `(?m)^ *# `+key+`( |$)`, string(example), "%s sets it", name)

				seen++
			}
		}
	}

	require.Greater(t, seen, 10)
}

// What compose.yaml sets is valid, process by process, by the processes' own rules.
func TestCompose_ConfiguresEachProcess(t *testing.T) {
	t.Parallel()

	services := compose(t).Services

	for _, process := range []config.Process{config.ProcessMigrate, config.ProcessAPI, config.ProcessWorker, config.ProcessScheduler} {
		service, ok := services[string(process)]
		require.True(t, ok, process)

		var environ []string
		for key, value := range service.Environment {
			environ = append(environ, key+"="+*value)
		}

		cfg, err := config.Load(process, "", environ)
		require.NoError(t, err, process)

		if process != config.ProcessMigrate { // as itself, with the password that postgres was given for it
			password := services["postgres"].Environment[strings.ToUpper(string(process))+"_PASSWORD"]
			require.Contains(t, cfg.Postgres.URL.Reveal(), "//"+string(process)+":"+*password+"@")
		}

		// The sign-in service names the cookie after its own origin.
		if process == config.ProcessAPI {
			origin := *services["auth"].Environment["BETTER_AUTH_URL"]
			require.Equal(t, cfg.HTTP.PublicURL, origin)
			require.Equal(t, strings.HasPrefix(origin, "https:"), strings.HasPrefix(cfg.Auth.CookieName, "__Host-"))
			require.Equal(t, cfg.Auth.Secret.Reveal(), *services["auth"].Environment["BETTER_AUTH_SECRET"])
		}
	}
}

// Only the machine itself may reach what compose.yaml runs: its passwords are in this repository.
func TestCompose_IsPrivate(t *testing.T) {
	t.Parallel()

	for name, s := range compose(t).Services {
		for _, port := range s.Ports {
			require.Equal(t, "127.0.0.1", port.HostIP, name)
		}
	}
}

// What everybody can read in compose.yaml opens nothing in production.
func TestCompose_SecretsAreRefusedInProduction(t *testing.T) {
	t.Parallel()

	services, tried := compose(t, "operator").Services, 0

	for _, key := range config.Describe() {
		if !key.Secret {
			continue
		}

		for name, s := range services {
			value := s.Environment[key.Variable]
			if value == nil || key.Name == "redis.url" { // which has no password
				continue
			}

			tried++

			_, err := config.Load("", "", []string{key.Variable + "=" + *value, "IMAGERUN_ACCEPTED_RISKS=plain_postgres"})
			require.ErrorContains(t, err, key.Name+" ("+key.Variable+") has a secret that everybody can read", name)
		}
	}

	require.Greater(t, tried, 15)

	service := services["auth"].Environment
	cmd := exec.CommandContext(t.Context(), "node", "auth/server.mjs")
	cmd.Dir = root
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "NODE_ENV=production", "DATABASE_URL=" + *service["DATABASE_URL"],
		"BETTER_AUTH_URL=https://images.example.com", "BETTER_AUTH_SECRET=" + *service["BETTER_AUTH_SECRET"],
	}

	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "BETTER_AUTH_SECRET: everybody can read it")
	require.Contains(t, string(out), "DATABASE_URL: everybody can read its password")
	require.Contains(t, string(out), "DATABASE_URL: goes to another machine without TLS")
}

// An image is what it was when it was tried: its tag names one version, to the last number.
func TestImages_ArePinned(t *testing.T) {
	t.Parallel()

	exact := regexp.MustCompile(`^(postgres:\d+\.\d+-\w+|debian:\w+-\d{8}-slim|[a-z/]+:\d+\.\d+\.\d+-[\w-]+)$`)
	text, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)

	var images []string

	for _, m := range regexp.MustCompile(`(?m)^FROM (\S+:\S+) AS`).FindAllStringSubmatch(string(text), -1) {
		images = append(images, m[1])
	}

	for _, s := range compose(t).Services {
		if s.Build == nil {
			images = append(images, s.Image)
		}
	}

	require.Len(t, images, 6)

	for _, image := range images {
		require.Regexp(t, exact, image)

		if strings.HasPrefix(image, "node:") {
			require.True(t, strings.HasPrefix(image, "node:24."), image)
		}
	}
}

var copies = regexp.MustCompile(`(?m)^COPY (--from=\S+ )?(.*)$`)

func TestDockerfile(t *testing.T) {
	t.Parallel()

	text, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)

	for _, c := range copies.FindAllStringSubmatch(string(text), -1) {
		if c[1] != "" {
			continue
		}

		sources := strings.Fields(c[2])
		for _, source := range sources[:len(sources)-1] {
			found, err := filepath.Glob(filepath.Join(root, source))
			require.NoError(t, err)
			require.NotEmpty(t, found, "COPY %s finds nothing", source)
		}
	}

	stages := strings.Split(string(text), "\nFROM ")
	require.Contains(t, stages[len(stages)-1], " AS imagerun\n", "the last stage is the default")
	require.Contains(t, stages[len(stages)-1], "\nUSER node\n", "not as root")

	for name, s := range compose(t).Services {
		if s.Build != nil {
			require.Contains(t, string(text), " AS "+s.Build.Target+"\n", name)
		}
	}
}
