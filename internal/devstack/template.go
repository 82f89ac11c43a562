package devstack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"imagerun/internal/postgres"
	"imagerun/migrations"
)

// templateFormat changes when the code below makes clusters differently.
const templateFormat = "2"

// The databases of every cluster.
const (
	// templateDatabase is migrated and accepts no connection, so that it can always be copied.
	templateDatabase = "imagerun_template"
	mainDatabase     = "imagerun"
)

// ensureTemplate returns the data folder of a stopped cluster with the migrated template database,
// making it if this version of Postgres and these migrations have none yet.
func (p *workspace) ensureTemplate(ctx context.Context) (string, error) {
	bin, version, err := p.findPostgres()
	if err != nil {
		return "", err
	}

	key, err := templateKey(version)
	if err != nil {
		return "", err
	}

	cache := filepath.Join(p.state, "cache")
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", fmt.Errorf("cache of clusters: %w", err)
	}

	l, err := lockFile(filepath.Join(cache, "lock"), true)
	if err != nil {
		return "", err
	}
	defer l.Close()

	dir := filepath.Join(cache, key)
	if _, err := os.Stat(dir); err == nil {
		// The time says when it was last used.
		return dir, os.Chtimes(dir, time.Now(), time.Now())
	}

	sweepTemplates(cache)

	raw := dir + ".new"
	if err := os.RemoveAll(raw); err != nil {
		return "", fmt.Errorf("cache of clusters: %w", err)
	}

	if err := p.makeTemplate(ctx, bin, raw); err != nil {
		return "", fmt.Errorf("make the template cluster: %w", err)
	}

	_ = os.Remove(raw + ".log")

	return dir, os.Rename(raw, dir)
}

func templateKey(version string) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\n%s\n", templateFormat, version)

	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		return "", err
	}

	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			return "", err
		}

		fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
	}

	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

// sweepTemplates removes clusters that no run has used for a day.
func sweepTemplates(cache string) {
	dirs, _ := filepath.Glob(filepath.Join(cache, "*"))

	for _, dir := range dirs {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(dir)
		}
	}
}

func (p *workspace) makeTemplate(ctx context.Context, bin, dir string) error {
	if err := p.makeServerFolder(dir); err != nil {
		return err
	}

	// Small WAL segments: the folder is copied for every test binary.
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "--pgdata", dir, "--username", ownerRole,
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--wal-segsize", "4", "--no-sync")
	initdb.Dir = dir
	initdb.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: p.cred}

	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}

	pg := &Postgres{workspace: p, bin: bin, dir: dir}
	if err := pg.start(ctx); err != nil {
		return err
	}
	defer pg.Stop()

	if err := pg.execSQL(ctx, "create database "+templateDatabase); err != nil {
		return err
	}

	if _, err := postgres.FinishMigrate(ctx, pg.databaseURL(ownerRole, templateDatabase), migrations.FS); err != nil {
		return err
	}

	if err := pg.makeLogins(ctx); err != nil {
		return err
	}

	return pg.execSQL(ctx, "alter database "+templateDatabase+" with is_template true allow_connections false")
}

// execSQL runs SQL as the owner, outside the databases that tests use.
func (p *Postgres) execSQL(ctx context.Context, sql string) error {
	conn, err := pgx.Connect(ctx, p.databaseURL(ownerRole, "postgres"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)

	_, err = conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol)

	return err
}

// copyFolder copies a folder with owners and modes, sharing blocks where the disk can.
func copyFolder(ctx context.Context, from, to string) error {
	args := []string{"-a", "--reflink=auto", from, to}
	if runtime.GOOS == "darwin" {
		args = []string{"-cpR", from, to}
	}

	if out, err := exec.CommandContext(ctx, "cp", args...).CombinedOutput(); err != nil {
		return fmt.Errorf("copy the template cluster: %w: %s", err, out)
	}

	return nil
}
