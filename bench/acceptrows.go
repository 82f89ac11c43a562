package main

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
// prepared statement, without a look at anything. pgbench sends it; where there is none this process
// does, and tells no percentiles.
func acceptRows(ctx context.Context, s *servers, o options) (figures, error) {
	app, owner, err := s.newDatabase(ctx)
	if err != nil {
		return nil, err
	}

	pool, err := openPool(ctx, owner, nil)
	if err != nil {
		return nil, err
	}
	defer pool.Close()

	if _, err := makeUsers(ctx, pool); err != nil {
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

	program := findPgbench()
	if program == "" {
		return sendRows(ctx, app, o.jobs)
	}

	if _, err := runPgbench(ctx, program, app, max(o.jobs/20, acceptClients), 0); err != nil {
		return nil, err
	}

	f, err := runPgbench(ctx, program, app, o.jobs, 0)
	if err != nil {
		return nil, err
	}

	half, err := runPgbench(ctx, program, app, o.jobs/2, f["accepted_per_s"]/2)
	if err != nil {
		return nil, err
	}

	f["half_p50_ms"], f["half_p99_ms"] = half["p50_ms"], half["p99_ms"]
	delete(f, "p50_ms")

	return f, (&public{pool: pool}).checkSameRows(ctx)
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

// runPgbench sends the statement n times with that program: all clients one after the other, or so many a
// second at random instants.
func runPgbench(ctx context.Context, program, url string, n int, perSecond float64) (figures, error) {
	dir, err := os.MkdirTemp("", "accept")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)

	script := filepath.Join(dir, "accept.sql")
	text := fmt.Sprintf("\\set n random(1, %d)\n%s", acceptUsers, strings.ReplaceAll(acceptSQL, "$1", ":n"))

	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return nil, err
	}

	args := []string{
		"--no-vacuum", "--protocol=prepared", "--log", "--log-prefix=" + filepath.Join(dir, "took"), "--file=" + script,
		"--client=" + strconv.Itoa(acceptClients), "--transactions=" + strconv.Itoa(max(n/acceptClients, 1)),
	}
	if perSecond > 0 {
		args = append(args, fmt.Sprintf("--rate=%.1f", perSecond))
	}

	if out, err := exec.CommandContext(ctx, program, append(args, url)...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("pgbench: %w: %s", err, out)
	}

	return readLog(dir)
}

// readLog reads what pgbench wrote of each transaction: client, number, microseconds since it was due,
// script, second and microsecond of its end.
func readLog(dir string) (figures, error) {
	files, err := filepath.Glob(filepath.Join(dir, "took.*"))
	if err != nil || len(files) == 0 {
		return nil, errors.New("pgbench wrote no log")
	}

	var (
		took        []float64
		first, last = math.MaxFloat64, 0.0
	)

	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}

		for line := range strings.Lines(string(text)) {
			var us, at, atUs float64
			if _, err := fmt.Sscan(line, new(int), new(int), &us, new(int), &at, &atUs); err != nil {
				return nil, fmt.Errorf("pgbench log: %w", err)
			}

			end := at + atUs/1e6
			first, last = min(first, end-us/1e6), max(last, end)
			took = append(took, us/1e3)
		}
	}

	slices.Sort(took)

	return figures{
		"accepted_per_s": float64(len(took)) / (last - first), "mean_ms": meanOf(took),
		"p50_ms": percentileOf(took, 0.5), "p99_ms": percentileOf(took, 0.99),
	}, nil
}

// sendRows does the same with pgx, as fast as it can.
func sendRows(ctx context.Context, url string, n int) (figures, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}

	cfg.MaxConns = acceptClients

	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
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

	perSecond := perSecond(n, time.Since(began))

	return figures{"accepted_per_s": perSecond, "mean_ms": 1000 * acceptClients / perSecond}, errors.Join(errs[:]...)
}
