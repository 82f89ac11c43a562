// Package jobs is the commands about jobs: look at them, retry or cancel them, pause queues.
package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/config"
	"imagerun/queue/durable"
)

// flags are those that the commands about jobs share.
type flags struct {
	cli.Settings

	operator           string
	kind, queue, state string
	about              string
	olderThan          cli.AgeFlag
	limit              int
	json, dryRun, all  bool
}

// Command returns the group.
func Command(environ []string) *cobra.Command {
	f := flags{Settings: cli.Settings{Environ: environ}}

	c := &cobra.Command{
		Use:   "jobs",
		Short: "Look at jobs, retry or cancel them, pause queues",
		Long: `A job is a row in Postgres from the transaction that caused it to the one that completes it.
A job that failed for the last time, or that lost three workers in a row, is dead: it is kept
until an operator retries or removes it here or on the dashboard.

These commands need postgres.url (` + config.Variable("postgres.url") + `) and nothing else; Redis may be away.
What they change is written to the table job_audit with the name of the operator.

States: staged (to be told to Redis), pushed (waits for a worker), running, retrying (waits for its
time after a failure or a snooze), canceling (ends as soon as a worker comes to it), dead.`,
		Example: `  imagerun jobs list --state dead
  imagerun jobs list --about 4X9KQ-7M2AB
  imagerun jobs retry --state dead --kind generation.collect --dry-run`,
	}
	f.Settings.AddFlag(c.PersistentFlags())

	return cli.Group(c, listCommand(&f), showCommand(&f), retryCommand(&f), cancelCommand(&f),
		pauseCommand(&f, true), pauseCommand(&f, false), pausesCommand(&f), schedulesCommand(&f))
}

func listCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use:   "list",
		Short: "List jobs, oldest first",
		Example: `  imagerun jobs list --state dead
  imagerun jobs list --kind generation.submit --older-than 10m --json`,
		Args: cobra.NoArgs,
		RunE: f.withPool(func(ctx context.Context, c *cobra.Command, pool *pgxpool.Pool, admin *durable.Admin) error {
			filter, err := f.buildFilter(nil)
			if err != nil {
				return err
			}

			if filter.About, err = f.findAbout(ctx, pool); err != nil {
				return err
			}

			jobs, err := admin.List(ctx, filter)
			if err != nil {
				return err
			}

			return cli.PrintJobs(c.OutOrStdout(), jobs, f.json, f.limit)
		}),
	}
	f.addChoiceFlags(c, 100)
	cli.AddJSONFlag(c.Flags(), &f.json)
	c.Flags().StringVar(&f.about, "about", "", "about this generation or upload: an id, a support code, or fal's id of the request")

	return c
}

func showCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use:   "show <id>",
		Short: "Show a job, and what operators did to it",
		Example: `  imagerun jobs show 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11
  imagerun jobs show 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11:3 --json    # as the dashboard names it`,
		Args: cli.OneArg("the id of a job"),
		RunE: f.withAdmin(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, args []string) error {
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
	cli.AddJSONFlag(c.Flags(), &f.json)

	return c
}

func retryCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use:   "retry [id…]",
		Short: "Have dead jobs begin anew with all their attempts, and waiting ones run now",
		Long: `Has dead jobs begin anew with all their attempts. A job that waits for its time (--state
retrying, or its id) runs now and keeps what it has spent; one that is canceling lives on. Jobs
that run or are about to are left alone, and so is a dead one while another job of its kind and
key lives.

Choose by ids or by flags; without --state, flags choose among the dead.`,
		Example: `  imagerun jobs retry --kind generation.collect --older-than 1h --dry-run
  imagerun jobs retry 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11
  imagerun jobs retry --all`,
		RunE: f.withAdmin(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, args []string) error {
			if len(args) == 0 && f.state == "" {
				f.state = "dead"
			}

			return f.carryOut(ctx, c, admin, args, "retried", admin.Retry)
		}),
	}
	f.addChangeFlags(c)

	return c
}

func cancelCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use:   "cancel [id…]",
		Short: "End live jobs, and remove dead ones",
		Long: `A live job's handler never begins again, and what one that runs still writes is refused. A worker
declares the job dead, with the code "canceled", and does in the same transaction what its kind
owes to a death, such as failing the generation: at once if the job waits, within seconds if it
runs. While no worker comes (none is there, or the queue is paused) its state is "canceling".
Afterwards it is dead: it can be retried, or canceled once more.

A dead job is removed for good.

Choose by ids or by flags.`,
		Example: `  imagerun jobs cancel 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11
  imagerun jobs cancel --kind generation.erase_attempt --state retrying --dry-run
  imagerun jobs cancel --state dead --older-than 30d`,
		RunE: f.withAdmin(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, args []string) error {
			return f.carryOut(ctx, c, admin, args, "canceled", admin.Cancel)
		}),
	}
	f.addChangeFlags(c)

	return c
}

// carryOut carries out what was asked for, if it was asked for plainly enough.
func (f *flags) carryOut(ctx context.Context, c *cobra.Command, admin *durable.Admin, args []string, done string,
	do func(context.Context, durable.Order) (durable.Result, error),
) error {
	ids, err := parseIDs(args)
	if err != nil {
		return err
	}

	if err := f.requireChoice(c, ids); err != nil {
		return err
	}

	filter, err := f.buildFilter(ids)
	if err != nil {
		return err
	}

	if f.dryRun && !f.json {
		jobs, err := admin.List(ctx, filter)
		if err != nil {
			return err
		}

		if err := cli.PrintJobs(c.OutOrStdout(), jobs, false, 0); err != nil {
			return err
		}
	}

	res, err := do(ctx, durable.Order{Filter: filter, Operator: f.operator, DryRun: f.dryRun})
	if printErr := printResult(c.OutOrStdout(), res, done, f.dryRun, f.json); printErr != nil {
		return printErr
	}

	if err == nil && res.Matched < len(ids) && filter.Limit == 0 {
		return fmt.Errorf("%d of the %d ids: %w, or not as the other flags say", len(ids)-res.Matched, len(ids), durable.ErrNotFound)
	}

	return err
}

// withAdmin connects to the database for one command. Jobs are staged only: a scheduler pushes them.
func (f *flags) withAdmin(fn func(context.Context, *cobra.Command, *durable.Admin, []string) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		return f.Connect(c.Context(), func(pool *pgxpool.Pool) error {
			return fn(c.Context(), c, cli.NewAdmin(pool), args)
		})
	}
}

func (f *flags) withPool(fn func(context.Context, *cobra.Command, *pgxpool.Pool, *durable.Admin) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		return f.Connect(c.Context(), func(pool *pgxpool.Pool) error {
			return fn(c.Context(), c, pool, cli.NewAdmin(pool))
		})
	}
}
