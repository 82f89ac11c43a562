package devstack

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	// What pg_dump says of itself and of the session, which differs between its versions.
	dumpNoise = regexp.MustCompile(`(?m)^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*)\n`)
	dumpGaps  = regexp.MustCompile(`\n{2,}`)
)

// Schema returns the SQL that makes the database at ownerURL as it is now, without data, as
// pg_dump writes it, in a form that does not depend on pg_dump's version or the day.
func (p *Postgres) Schema(ctx context.Context, ownerURL string) (string, error) {
	dump := filepath.Join(p.bin, "pg_dump")
	if _, err := os.Stat(dump); err != nil {
		if dump, err = exec.LookPath("pg_dump"); err != nil {
			return "", errors.New("pg_dump was not found beside postgres or in PATH: install the client programs of postgres")
		}
	}

	cmd := exec.CommandContext(ctx, dump, "--schema-only", "--no-owner", "--exclude-table=goose_db_version*", ownerURL)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}

	var problem strings.Builder
	cmd.Stderr = &problem

	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("dump the schema: %w: %s", err, problem.String())
	}

	text := dumpNoise.ReplaceAllString(string(out), "")

	return strings.TrimSpace(dumpGaps.ReplaceAllString(text, "\n\n")) + "\n", nil
}
