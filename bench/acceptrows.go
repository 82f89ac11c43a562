package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// acceptSQL is one statement that writes what an accepted generation of person $1 is in rows.
//
//go:embed accept.sql
var acceptSQL string

// acceptRows is no service but its limit on this machine: the same rows in one transaction of one
// prepared statement, without a look at anything. pgbench sends it, or this process where there is
// none.
func acceptRows(ctx context.Context, s *servers, o options) (figures, error) {
	app, owner, err := s.database(ctx)
	if err != nil {
		return nil, err
	}

	pool, err := openPool(ctx, owner, nil)
	if err != nil {
		return nil, err
	}
	defer pool.Close()

	if _, err := people(ctx, pool); err != nil {
		return nil, err
	}

	_, err = pool.Exec(ctx, `create table person as
		select row_number() over (order by b.user_id)::integer as n, b.user_id, b.subject, g.id as grant_id, u.ref
		from billing_subject b join credit_grant g on g.subject = b.subject join generation_user u on u.user_id = b.user_id;
		alter table person add primary key (n);
		grant select on person to imagerun_app`)
	if err != nil {
		return nil, err
	}

	send, name := sendRows, "go"
	if program := findPgbench(); program != "" {
		send, name = pgbench(program), "pgbench"
	}

	if _, err := send(ctx, app, max(o.jobs/20, acceptClients)); err != nil {
		return nil, err
	}

	perSecond, err := send(ctx, app, o.jobs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	f := figures{"accepted_per_s": perSecond, "mean_ms": 1000 * acceptClients / perSecond, "by_pgbench": 0}
	if name == "pgbench" {
		f["by_pgbench"] = 1
	}

	return f, (&public{pool: pool}).same(ctx)
}

func findPgbench() string {
	if path, err := exec.LookPath("pgbench"); err == nil {
		return path
	}

	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/pgbench") // where Debian keeps it
	if len(found) == 0 {
		return ""
	}

	return slices.Max(found)
}

var tps = regexp.MustCompile(`(?m)^tps = ([0-9.]+)`)

// pgbench returns what sends the statement n times with that program, and says how many a second.
func pgbench(program string) func(ctx context.Context, url string, n int) (float64, error) {
	return func(ctx context.Context, url string, n int) (float64, error) {
		script, err := os.CreateTemp("", "accept-*.sql")
		if err != nil {
			return 0, err
		}
		defer os.Remove(script.Name())
		defer script.Close()

		_, err = fmt.Fprintf(script, "\\set n random(1, %d)\n%s", acceptUsers, strings.ReplaceAll(acceptSQL, "$1", ":n"))
		if err != nil {
			return 0, err
		}

		cmd := exec.CommandContext(ctx, program, "--no-vacuum", "--protocol=prepared", "--jobs=2",
			"--client="+strconv.Itoa(acceptClients), "--transactions="+strconv.Itoa(max(n/acceptClients, 1)), "--file="+script.Name(), url)

		out, err := cmd.CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}

		if m := tps.FindSubmatch(out); m != nil {
			return strconv.ParseFloat(string(m[1]), 64)
		}

		return 0, fmt.Errorf("it does not say how many a second: %s", out)
	}
}

// sendRows does the same with pgx.
func sendRows(ctx context.Context, url string, n int) (float64, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return 0, err
	}

	cfg.MaxConns = acceptClients

	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return 0, err
	}
	defer pool.Close()

	var (
		wg   sync.WaitGroup
		next atomic.Int64
		errs [acceptClients]error
	)

	began := time.Now()

	for c := range acceptClients {
		wg.Go(func() {
			for next.Add(1) <= int64(n) && errs[c] == nil {
				_, errs[c] = pool.Exec(ctx, acceptSQL, 1+rand.IntN(acceptUsers))
			}
		})
	}

	wg.Wait()

	return rate(n, time.Since(began)), errors.Join(errs[:]...)
}
