package cli

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/pflag"

	"imagerun/internal/config"
	"imagerun/internal/postgres"
)

// Settings is where a command finds its configuration.
type Settings struct {
	Environ []string // as from os.Environ
	File    string   // empty: what the environment names, or none
}

// AddFlag adds --config.
func (s *Settings) AddFlag(flags *pflag.FlagSet) {
	flags.StringVar(&s.File, "config", "", "the YAML file to read; the environment wins over it")
}

// Load reads the configuration and checks it for process.
func (s *Settings) Load(process config.Process) (config.Config, error) {
	cfg, err := config.Load(process, s.File, s.Environ)
	if err != nil {
		return cfg, InvalidConfig(err)
	}

	return cfg, nil
}

// Connect runs fn with a pool for an operator's command, which needs the database alone.
func (s *Settings) Connect(ctx context.Context, fn func(*pgxpool.Pool) error) error {
	return s.ConnectAs(ctx, config.ProcessOperator, func(_ config.Config, pool *pgxpool.Pool) error { return fn(pool) })
}

// ConnectAs runs fn with the configuration of process, and a pool that names it to the database.
func (s *Settings) ConnectAs(ctx context.Context, process config.Process, fn func(config.Config, *pgxpool.Pool) error) error {
	cfg, err := s.Load(process)
	if err != nil {
		return err
	}

	pool, err := postgres.Open(ctx, postgres.Options{
		URL: cfg.Postgres.URL.Reveal(), AppName: "imagerun-" + string(process), MaxConns: 2, StatementTimeout: cfg.Postgres.StatementTimeout,
	})
	if err != nil {
		return err
	}
	defer pool.Close()

	return fn(cfg, pool)
}
