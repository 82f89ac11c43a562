package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/config"
	"imagerun/internal/postgres"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// jobsFlags are those that the commands about jobs share.
type jobsFlags struct {
	environ            []string
	file, operator     string
	kind, queue, state string
	olderThan          time.Duration
	limit              int
	json, dryRun, all  bool
}

func jobsCommand(environ []string) *cobra.Command {
	f := jobsFlags{environ: environ}

	c := &cobra.Command{
		Use:   "jobs",
		Short: "Look at jobs, retry or cancel them, pause queues",
		Long: `A job is a row in Postgres from the transaction that caused it to the one that completes it.
A job that failed for the last time, or that lost three workers in a row, is dead: it is kept
until somebody retries or removes it here or on the dashboard.

These commands need postgres.url (` + config.Variable("postgres.url") + `) and nothing else; Redis may be away.
What they change is written to the table job_audit with the name of whoever did it.`,
	}
	c.PersistentFlags().StringVar(&f.file, "config", "", "the YAML file to read; the environment wins over it")
	c.AddCommand(jobsListCommand(&f), jobsShowCommand(&f), jobsRetryCommand(&f), jobsCancelCommand(&f),
		jobsPauseCommand(&f, true), jobsPauseCommand(&f, false), jobsSchedulesCommand(&f))

	return c
}

func jobsListCommand(f *jobsFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List jobs, oldest first",
		Example: `  imagerun jobs list --state dead
  imagerun jobs list --kind generation.submit --older-than 10m --json`,
		Args: cobra.NoArgs,
		RunE: f.run(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, _ []string) error {
			jobs, err := admin.List(ctx, f.filter(nil))
			if err != nil {
				return err
			}

			return printJobs(c.OutOrStdout(), jobs, f.json, f.limit)
		}),
	}
	f.choosing(c, 100)
	f.asJSON(c)

	return c
}

func jobsShowCommand(f *jobsFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "show <id>",
		Short: "Show a job, and what operators did to it",
		Args:  cobra.ExactArgs(1),
		RunE: f.run(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, args []string) error {
			ids, err := parseIDs(args)
			if err != nil {
				return err
			}

			job, audits, err := admin.Show(ctx, ids[0])
			if err != nil && !errors.Is(err, durable.ErrNotFound) {
				return err
			}

			if printErr := printJob(c.OutOrStdout(), job, audits, f.json); printErr != nil {
				return printErr
			}

			return err
		}),
	}
	f.asJSON(c)

	return c
}

func jobsRetryCommand(f *jobsFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "retry [id…]",
		Short: "Have dead jobs begin anew with all their attempts, and waiting ones run now",
		Long: `Has dead jobs begin anew with all their attempts. A job that waits for its time (--state
retrying, or its id) runs now and keeps what it has spent. Jobs that run are left alone, and so
is a dead one while another job of its kind and key lives.

Choose by ids or by flags; without --state, flags choose among the dead.`,
		Example: `  imagerun jobs retry --kind generation.collect --older-than 1h --dry-run
  imagerun jobs retry 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11
  imagerun jobs retry --all`,
		RunE: f.run(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, args []string) error {
			if len(args) == 0 && f.state == "" {
				f.state = "dead"
			}

			return f.order(ctx, c, args, "retried", admin.Retry)
		}),
	}
	f.changing(c)

	return c
}

func jobsCancelCommand(f *jobsFlags) *cobra.Command {
	c := &cobra.Command{
		Use:   "cancel [id…]",
		Short: "End live jobs, and remove dead ones",
		Long: `A live job is dead from now on, with the code "canceled": it can still be retried. A running
one is told to stop within seconds, and whatever its worker still writes is refused. A dead job is
removed for good.

The kind's own tidying-up does not run here: a deadline of its domain settles what it was about.

Choose by ids or by flags.`,
		Example: `  imagerun jobs cancel 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11
  imagerun jobs cancel --state dead --older-than 720h --dry-run`,
		RunE: f.run(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, args []string) error {
			return f.order(ctx, c, args, "canceled", admin.Cancel)
		}),
	}
	f.changing(c)

	return c
}

func jobsPauseCommand(f *jobsFlags, paused bool) *cobra.Command {
	c := &cobra.Command{
		Use:   "pause <queue>",
		Short: "Begin no further job of a queue; schedulers apply it within seconds",
		Args:  cobra.ExactArgs(1),
	}

	done := "paused"
	if !paused {
		c.Use, c.Short, done = "resume <queue>", "Work a paused queue again; schedulers apply it within seconds", "resumed"
	}

	c.RunE = f.run(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, args []string) error {
		if err := admin.Pause(ctx, args[0], f.operator, paused); err != nil {
			return err
		}

		_, err := fmt.Fprintf(c.OutOrStdout(), "queue %s is %s\n", args[0], done)

		return err
	})
	f.by(c)

	return c
}

func (f *jobsFlags) choosing(c *cobra.Command, limit int) {
	c.Flags().StringVar(&f.kind, "kind", "", "of this kind, such as generation.submit")
	c.Flags().StringVar(&f.queue, "queue", "", "of this queue: "+strings.Join(queue.All().Queues(), ", "))
	c.Flags().StringVar(&f.state, "state", "", "in this state: staged, pushed, running, retrying or dead")
	c.Flags().DurationVar(&f.olderThan, "older-than", 0, "dead for at least this long, or staged so long ago if alive: 90m, 24h")
	c.Flags().IntVar(&f.limit, "limit", limit, "at most so many; 0: all")
}

func (f *jobsFlags) changing(c *cobra.Command) {
	f.choosing(c, 0)
	f.asJSON(c)
	f.by(c)
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say how many jobs are meant")
	c.Flags().BoolVar(&f.all, "all", false, "without any other choice: yes, all of them")
}

func (f *jobsFlags) asJSON(c *cobra.Command) {
	c.Flags().BoolVar(&f.json, "json", false, "answer in JSON, for programs")
}

func (f *jobsFlags) by(c *cobra.Command) {
	who := "unknown"
	if u, err := user.Current(); err == nil {
		who = u.Username
	}

	c.Flags().StringVar(&f.operator, "by", who, "who does this, for the audit")
}

func (f *jobsFlags) filter(ids []uuid.UUID) durable.Filter {
	return durable.Filter{
		IDs: ids, Kind: f.kind, Queue: f.queue, State: f.state, OlderThan: f.olderThan, Limit: f.limit,
	}
}

// order carries out what was asked for, if it was asked for plainly enough.
func (f *jobsFlags) order(ctx context.Context, c *cobra.Command, args []string, done string,
	do func(context.Context, durable.Order) (durable.Result, error),
) error {
	ids, err := parseIDs(args)
	if err != nil {
		return err
	}

	chosen := len(ids) > 0 || f.all || f.dryRun || f.olderThan > 0
	for _, name := range []string{"kind", "queue", "state", "limit"} {
		chosen = chosen || c.Flags().Changed(name)
	}

	if !chosen {
		return errors.New("which jobs? Give ids, --kind, --queue, --state, --older-than or --limit; or --all")
	}

	res, err := do(ctx, durable.Order{Filter: f.filter(ids), Operator: f.operator, DryRun: f.dryRun})
	if printErr := printResult(c.OutOrStdout(), res, done, f.dryRun, f.json); printErr != nil {
		return printErr
	}

	return err
}

// run connects to the database for one command. Jobs are staged only: a scheduler pushes them.
func (f *jobsFlags) run(fn func(context.Context, *cobra.Command, *durable.Admin, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		return f.connected(c.Context(), func(pool *pgxpool.Pool) error {
			return fn(c.Context(), c, durable.NewAdmin(durable.New(pool, queue.All(), durable.Options{})), args)
		})
	}
}

func (f *jobsFlags) connected(ctx context.Context, fn func(*pgxpool.Pool) error) error {
	cfg, err := config.Load(config.ProcessOperator, f.file, f.environ)
	if err != nil {
		return fmt.Errorf("the configuration is not valid:\n%w", err)
	}

	pool, err := postgres.Open(ctx, postgres.Options{
		URL: cfg.Postgres.URL.Reveal(), AppName: "imagerun-operator", MaxConns: 2, StatementTimeout: cfg.Postgres.StatementTimeout,
	})
	if err != nil {
		return err
	}
	defer pool.Close()

	return fn(pool)
}

func parseIDs(args []string) ([]uuid.UUID, error) {
	ids := make([]uuid.UUID, len(args))

	for i, arg := range args {
		// The dashboard shows a job's task, which is its id and a number.
		text, _, _ := strings.Cut(arg, ":")

		id, err := uuid.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not the id of a job", arg)
		}

		ids[i] = id
	}

	return ids, nil
}
