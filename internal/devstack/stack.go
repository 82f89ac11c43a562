package devstack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"imagerun/internal/postgres"
	"imagerun/migrations"
)

// Options say what [Start] starts.
type Options struct {
	// Dir is where the servers keep their data. Empty: demo in the state folder of the
	// repository. As root it must be a folder that the user postgres can enter.
	Dir string
	// Persistent keeps the data: Postgres and Redis write it durably, and the next Start with
	// the same Dir finds it, with the same passwords, keys and (if free) ports. Otherwise what
	// is in Dir is removed at the start.
	Persistent bool
	Log        *slog.Logger // required
}

// Stack is a running Postgres, Redis and S3.
type Stack struct {
	Postgres *Postgres
	Redis    *Redis
	S3       *S3

	claim   *fileLock // keeps a second stack out of the folder
	unkeep  context.CancelFunc
	keepers sync.WaitGroup
}

// identity is what must be the same at the next start. It is kept in a file of mode 0600.
type identity struct {
	Passwords                       map[string]string
	AccessKey, SecretKey, Bucket    string
	PostgresPort, RedisPort, S3Port int
}

// Start starts all three servers and applies the migrations that are missing. What it had
// started when it fails is stopped.
func Start(ctx context.Context, o Options) (s *Stack, err error) {
	p, err := findWorkspace()
	if err != nil {
		return nil, err
	}

	if o.Dir == "" {
		o.Dir = filepath.Join(p.state, "demo")
	}

	if !o.Persistent {
		if err := os.RemoveAll(o.Dir); err != nil {
			return nil, fmt.Errorf("empty the stack's folder: %w", err)
		}
	}

	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the stack's folder: %w", err)
	}

	s = &Stack{}
	started := s // a return with an error clears s

	if s.claim, err = claimFolder(o.Dir); err != nil {
		return nil, err
	}

	defer func() {
		if err != nil {
			started.Stop()
		}
	}()

	file := filepath.Join(o.Dir, "identity.json")

	id, err := loadIdentity(file)
	if err != nil {
		return nil, err
	}

	if s.Postgres, err = p.newPostgres(ctx, filepath.Join(o.Dir, "postgres"), o.Persistent, id.Passwords, id.PostgresPort); err != nil {
		return nil, err
	}

	applied, err := postgres.FinishMigrate(ctx, s.Postgres.OwnerURL, migrations.FS)
	if err != nil {
		return nil, err
	}

	// Data that is kept may be older than a role.
	if err := s.Postgres.makeLogins(ctx); err != nil {
		return nil, fmt.Errorf("make the logins of postgres: %w", err)
	}

	if s.Redis, err = p.newRedis(ctx, filepath.Join(o.Dir, "redis"), o.Persistent, id.RedisPort); err != nil {
		return nil, err
	}

	if s.S3, err = p.newS3(ctx, filepath.Join(o.Dir, "s3"), id.AccessKey, id.SecretKey, id.Bucket, id.S3Port); err != nil {
		return nil, err
	}

	id.PostgresPort, id.RedisPort, id.S3Port = s.Postgres.port, s.Redis.port, s.S3.port

	o.Log.InfoContext(ctx, "private servers started", slog.Int("migrations_applied", applied),
		slog.Int("postgres_port", id.PostgresPort), slog.Int("redis_port", id.RedisPort), slog.Int("s3_port", id.S3Port))

	return s, saveIdentity(file, id)
}

// Stop ends the servers. Data of a persistent stack is safe when it returns.
func (s *Stack) Stop() {
	s.endKeeping()

	if s.S3 != nil {
		s.S3.Stop()
	}

	if s.Redis != nil {
		s.Redis.Stop()
	}

	if s.Postgres != nil {
		s.Postgres.Stop()
		s.Postgres.releasePort()
	}

	_ = s.claim.Close()
}

// claimFolder keeps a second stack out of dir. Its error names the process that is there.
func claimFolder(dir string) (*fileLock, error) {
	path := filepath.Join(dir, "lock")

	l, err := lockFile(path, false)

	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		pid, _ := os.ReadFile(path)

		return nil, fmt.Errorf("already running: process %s runs the servers of %s; stop it first, with Ctrl-C where it runs or kill %s", pid, dir, pid)
	case err != nil:
		return nil, err
	}

	if err := l.write(strconv.Itoa(os.Getpid())); err != nil {
		_ = l.Close()

		return nil, fmt.Errorf("claim the stack's folder: %w", err)
	}

	return l, nil
}

func loadIdentity(file string) (identity, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		id := identity{
			Passwords: map[string]string{ownerRole: randomToken(16)},
			AccessKey: "dev" + randomToken(8), SecretKey: randomToken(20), Bucket: "imagerun-dev",
		}
		id.fillPasswords()

		// Kept before anything is made with it.
		return id, saveIdentity(file, id)
	}

	if err != nil {
		return identity{}, fmt.Errorf("read the stack's passwords: %w", err)
	}

	var id identity
	if err := json.Unmarshal(text, &id); err != nil {
		return identity{}, fmt.Errorf("%s is damaged: remove its folder to start afresh", file)
	}

	id.fillPasswords()

	return id, saveIdentity(file, id)
}

// fillPasswords gives a password to each login that has none.
func (id *identity) fillPasswords() {
	for _, login := range Logins() {
		if id.Passwords[login] == "" {
			id.Passwords[login] = randomToken(16)
		}
	}
}

func saveIdentity(file string, id identity) error {
	text, err := json.MarshalIndent(id, "", "  ")
	if err != nil {
		return err
	}

	if err := os.WriteFile(file+".new", text, 0o600); err != nil {
		return fmt.Errorf("keep the stack's passwords: %w", err)
	}

	return os.Rename(file+".new", file)
}
