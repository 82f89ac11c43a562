package devstack

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Oldest versions that will do.
const (
	minPostgres = 15
	minRedis    = 7
)

var digits = regexp.MustCompile(`\d+`)

// findProgram returns the first of the candidates that runs and says a version of at least oldest,
// together with what it said.
func findProgram(name string, oldest int, candidates []string) (path, version string, err error) {
	var old []string

	for _, path := range candidates {
		out, err := exec.Command(path, "--version").Output()
		if err != nil {
			continue
		}

		version := strings.TrimSpace(string(out))

		if major, _ := strconv.Atoi(digits.FindString(version)); major >= oldest {
			return path, version, nil
		}

		old = append(old, path)
	}

	if len(old) > 0 {
		return "", "", fmt.Errorf("%s at %s is older than version %d: run scripts/deps.sh", name, strings.Join(old, ", "), oldest)
	}

	return "", "", fmt.Errorf("%s (version %d or newer) was not found: run scripts/deps.sh, which installs it", name, oldest)
}

// programPaths lists where a program may be: our own bin folder, PATH, then globs, newest first.
func (p *workspace) programPaths(name string, globs ...string) []string {
	list := []string{filepath.Join(p.root, ".imagerun", "bin", name)}

	if path, err := exec.LookPath(name); err == nil {
		list = append(list, path)
	}

	for _, g := range globs {
		found, _ := filepath.Glob(g)
		slices.Reverse(found)
		list = append(list, found...)
	}

	return slices.DeleteFunc(list, func(path string) bool {
		_, err := os.Stat(path)

		return err != nil
	})
}

// findPostgres returns the folder that holds initdb and postgres.
func (p *workspace) findPostgres() (bin, version string, err error) {
	candidates := p.programPaths("postgres",
		"/usr/lib/postgresql/*/bin/postgres",
		"/usr/pgsql-*/bin/postgres",
		"/opt/homebrew/opt/postgresql@*/bin/postgres",
		"/usr/local/opt/postgresql@*/bin/postgres",
	)

	// Both programs are needed: a client-only installation may bring one of them.
	candidates = slices.DeleteFunc(candidates, func(path string) bool {
		_, err := os.Stat(filepath.Join(filepath.Dir(path), "initdb"))

		return err != nil
	})

	path, version, err := findProgram("postgres", minPostgres, candidates)

	return filepath.Dir(path), version, err
}

func (p *workspace) findRedis() (string, error) {
	path, _, err := findProgram("redis-server", minRedis, p.programPaths("redis-server", "/opt/homebrew/opt/redis/bin/redis-server"))

	return path, err
}

// findGateway returns the S3 server, building it from tools/ when it is not there.
func (p *workspace) findGateway() (string, error) {
	path := filepath.Join(p.root, ".imagerun", "bin", "versitygw")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}

	l, err := lockFile(filepath.Join(p.state, "versitygw.lock"), true)
	if err != nil {
		return "", err
	}
	defer l.Close()

	if _, err := os.Stat(path); err == nil {
		return path, nil
	}

	cmd := exec.Command(filepath.Join(p.root, "scripts", "tool.sh"), "versitygw")

	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the S3 server: %w: %s", err, out)
	}

	return path, nil
}
