package devstack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// Postgres is a private server.
type Postgres struct {
	OwnerURL string // superuser: migrates, creates databases
	AppURL   string // as the role that may do what api, worker and scheduler may together
	AuthURL  string // what the auth service connects with

	workspace *workspace
	bin       string
	dir       string // data folder
	log       string // file; beside the data folder
	port      int
	claim     *fileLock
	durable   bool              // fsync, as for data that is kept
	passwords map[string]string // by role; nil: the loopback is trusted
	process   *process
}

// newPostgres starts a server on a copy of the template in dir, with a migrated database
// "imagerun" that is empty. preferredPort is the port it has if that is free.
func (p *workspace) newPostgres(ctx context.Context, dir string, durable bool, passwords map[string]string, preferredPort int) (*Postgres, error) {
	bin, version, err := p.findPostgres()
	if err != nil {
		return nil, err
	}

	pg := &Postgres{workspace: p, bin: bin, dir: dir, port: preferredPort, durable: durable}

	_, err = os.Stat(dir)
	fresh := errors.Is(err, fs.ErrNotExist)

	if fresh {
		if err := p.newCluster(ctx, pg, passwords); err != nil {
			return nil, err
		}
	} else if err := sameMajor(dir, version); err != nil {
		return nil, err
	}

	pg.passwords = passwords

	if err := pg.start(ctx); err != nil {
		return nil, err
	}

	pg.OwnerURL = pg.databaseURL(ownerRole, mainDatabase)
	pg.AppURL = pg.databaseURL(appRole, mainDatabase)
	pg.AuthURL = pg.databaseURL(authRole, mainDatabase)

	return pg, nil
}

// newCluster makes pg.dir: all or nothing, so that a run that was killed leaves no half of it.
func (p *workspace) newCluster(ctx context.Context, pg *Postgres, passwords map[string]string) error {
	template, err := p.ensureTemplate(ctx)
	if err != nil {
		return err
	}

	final := pg.dir
	pg.dir = final + ".new"

	if err := os.RemoveAll(pg.dir); err != nil {
		return fmt.Errorf("data folder of postgres: %w", err)
	}

	if err := copyFolder(ctx, template, pg.dir); err != nil {
		return err
	}

	if err := pg.start(ctx); err != nil {
		return err
	}

	err = pg.execSQL(ctx, "create database "+mainDatabase+" template "+templateDatabase)
	if password, ok := passwords[ownerRole]; ok && err == nil {
		err = pg.execSQL(ctx, "alter role "+ownerRole+" password '"+password+"'")
	}

	// Orderly: what was written must be on disk before the folder gets its name.
	pg.process.end(syscall.SIGINT)

	if err != nil {
		return fmt.Errorf("prepare the cluster: %w", err)
	}

	defer func() { pg.dir = final }()

	return os.Rename(pg.dir, final)
}

func sameMajor(dir, version string) error {
	made, err := os.ReadFile(filepath.Join(dir, "PG_VERSION"))
	if err != nil {
		return fmt.Errorf("data folder of postgres: %w", err)
	}

	if m := strings.TrimSpace(string(made)); m != digits.FindString(version) {
		return fmt.Errorf("%s was made by postgres %s and this is %s: put version %s first in PATH, or remove the folder to start afresh", dir, m, version, m)
	}

	return nil
}

func (p *Postgres) start(ctx context.Context) error {
	if p.claim == nil {
		port, claim, err := p.workspace.claimPort(p.port)
		if err != nil {
			return err
		}

		p.port, p.claim = port, claim
	}

	how := "trust"
	if p.passwords != nil {
		how = "scram-sha-256"
	}

	hba := "host all all 127.0.0.1/32 " + how + "\n"
	if err := os.WriteFile(filepath.Join(p.dir, "pg_hba.conf"), []byte(hba), 0o600); err != nil {
		return fmt.Errorf("configure postgres: %w", err)
	}

	// A file of a server that was killed must not look like readiness.
	ready := filepath.Join(p.dir, "postmaster.pid")
	if err := os.Remove(ready); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("configure postgres: %w", err)
	}

	p.log = p.dir + ".log"

	// The eighth line of the file is the server's own word for its state, and the first its
	// process id: another server on that port cannot be mistaken for it.
	process, err := command{
		name: "postgres", args: append([]string{filepath.Join(p.bin, "postgres"), "-D", p.dir}, p.serverArgs()...),
		dir: p.dir, log: p.log, cred: p.workspace.cred, stop: syscall.SIGINT,
	}.run(func(process *process) bool {
		if ctx.Err() != nil {
			process.sendSignal(syscall.SIGQUIT)
		}

		text, err := os.ReadFile(ready)
		if err != nil {
			return false
		}

		lines := strings.Split(string(text), "\n")

		return len(lines) > 7 && lines[0] == strconv.Itoa(process.processID()) && strings.TrimSpace(lines[7]) == "ready"
	})
	if err != nil {
		p.releasePort()

		return err
	}

	p.process = process

	return nil
}

func (p *Postgres) serverArgs() []string {
	list := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(p.port),
		"unix_socket_directories=",
		"max_connections=400",
		"timezone=UTC",
		"log_timezone=UTC",
		// No DETAIL in the log: it quotes rows.
		"log_error_verbosity=terse",
		"log_min_error_statement=panic",
		"jit=off",
		"shared_buffers=64MB",
	}

	if !p.durable {
		list = append(list, "fsync=off", "full_page_writes=off", "max_wal_size=512MB")
	}

	args := make([]string, 0, 2*len(list))
	for _, s := range list {
		args = append(args, "-c", s)
	}

	return args
}

func (p *Postgres) databaseURL(role, database string) string {
	u := url.URL{Scheme: "postgres", Host: loopbackAddress(p.port), Path: "/" + database, RawQuery: "sslmode=disable", User: url.User(role)}
	if password, ok := p.passwords[role]; ok {
		u.User = url.UserPassword(role, password)
	}

	return u.String()
}

// LoginURL returns the URL of the database "imagerun" for one of [Logins].
func (p *Postgres) LoginURL(login string) string { return p.databaseURL(login, mainDatabase) }

// NewDatabase makes a migrated, empty database and returns URLs for it.
func (p *Postgres) NewDatabase(ctx context.Context, name string) (app, auth, owner string, err error) {
	sql := "create database " + pgx.Identifier{name}.Sanitize() + " template " + templateDatabase
	if err := p.execSQL(ctx, sql); err != nil {
		return "", "", "", fmt.Errorf("create database %s: %w", name, err)
	}

	return p.databaseURL(appRole, name), p.databaseURL(authRole, name), p.databaseURL(ownerRole, name), nil
}

// DropDatabase removes a database, though clients may still be connected to it.
func (p *Postgres) DropDatabase(ctx context.Context, name string) error {
	return p.execSQL(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)")
}

// Restart ends the server at once, as a crash of the machine would for its clients, and starts
// it again on the same port; it returns when recovery is over.
func (p *Postgres) Restart(ctx context.Context) error {
	p.process.end(syscall.SIGQUIT)

	return p.start(ctx)
}

// Stop ends the server: orderly if its data is kept, else at once. Start begins again.
func (p *Postgres) Stop() {
	if p.durable {
		p.process.end(syscall.SIGINT)
	} else {
		p.process.end(syscall.SIGQUIT)
	}
}

// Start begins again after [Postgres.Stop], on the same port with the same data.
func (p *Postgres) Start(ctx context.Context) error { return p.start(ctx) }

func (p *Postgres) releasePort() {
	if p.claim != nil {
		_ = p.claim.Close()
		p.claim = nil
	}
}
