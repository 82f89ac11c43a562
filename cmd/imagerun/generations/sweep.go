package generations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/postgres"
	"imagerun/internal/storage/r2"
	"imagerun/internal/storage/sweep"
)

// errUnsettled ends the command with 1 although nothing went wrong: a person has to look.
var errUnsettled = errors.New("not everything is in order: see the report")

// tellEvery is how often a long sweep says how far it is.
const tellEvery = 2 * time.Second

// sweepFlags are those of the sweep.
type sweepFlags struct {
	cli.Settings

	dryRun, json, list, force bool
	grace                     time.Duration
}

func sweepCommand(environ []string) *cobra.Command {
	f := sweepFlags{Settings: cli.Settings{Environ: environ}}

	c := &cobra.Command{
		Use:   "sweep",
		Short: "Compare the bucket with the database, in both directions",
		Long: `Walks the bucket and the tables that own its objects, side by side. Workers do the same each
night; this does it now, and may run while they do.

  orphan    an object that no row wants: left by a worker that died, say. It is deleted, unless
            it is younger than --grace (then it is "young": something may be about to want it)
  lost      a row whose object is gone. It cannot be brought back from here: the row is marked, so
            that its owner sees "lost" instead of a dead link. See docs/operations.md
  back      a row that was marked and whose object is there again: the mark goes
  foreign   an object under a key that we never make: left alone. It does not belong here
  leftover  an upload in parts that was begun a day ago and never ended: called off

Each object is looked at twice before anything is done. If far more is wrong than right, nothing
is done: the bucket and the database hardly belong together. --force goes on all the same, and
--dry-run counts everything first.

It needs ` + strings.Join(config.Needs(config.ProcessSweep), ", ") + `.
It ends with 0 when everything is in order, by now or already; with 1 when something is left for
a person to look at (in a dry run: when anything would be changed), or when it could not end.`,
		Example: `  imagerun generations sweep --dry-run --list
  imagerun generations sweep --grace 72h --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.grace < 0 {
				return cli.Misuse("--grace must not be negative")
			}

			return f.runSweep(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	f.Settings.AddFlag(c.Flags())
	c.Flags().BoolVar(&f.dryRun, "dry-run", false, "change nothing: only say what is there")
	cli.AddJSONFlag(c.Flags(), &f.json)
	c.Flags().BoolVar(&f.list, "list", false, "name each finding on standard error, as it is found")
	c.Flags().BoolVar(&f.force, "force", false, "go on even if far more is wrong than right")
	c.Flags().DurationVar(&f.grace, "grace", sweep.DefaultGrace, "how old an orphan must be to be deleted: 90m, 24h")

	return c
}

func (f *sweepFlags) runSweep(ctx context.Context, out, progress io.Writer) error {
	return f.ConnectAs(ctx, config.ProcessSweep, func(cfg config.Config, pool *pgxpool.Pool) error {
		return f.sweepBucket(ctx, out, progress, cfg.Storage, pool)
	})
}

func (f *sweepFlags) sweepBucket(ctx context.Context, out, progress io.Writer, s config.Storage, pool *pgxpool.Pool) error {
	theirs := clock.NewCorrected(func(ctx context.Context) (least, most time.Duration, err error) { return postgres.Skew(ctx, pool) }, nil)
	if err := theirs.Measure(ctx); err != nil {
		return err
	}

	now := theirs.Now

	bucket := r2.New(r2.Options{
		Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey, Bucket: s.Bucket, Now: clock.System,
	})

	o := sweep.Options{Grace: f.grace, DryRun: f.dryRun, Force: f.force}
	if f.list {
		o.Each = func(v sweep.Finding) { printFinding(progress, v) }
	}

	r := sweep.Report{StartedAt: now(), DryRun: f.dryRun}
	told := time.Now()

	runErr := app.NewSweeper(pool, bucket, now).Run(ctx, o, &r, func(r sweep.Report) error {
		if time.Since(told) > tellEvery {
			told = time.Now()

			cli.PrintLine(progress, "%s and %s so far: %s, %d lost", cli.FormatCount(r.Objects, "object", "objects"), cli.FormatCount(r.Records, "record", "records"),
				cli.FormatCount(r.Orphans, "orphan", "orphans"), r.Lost)
		}

		return nil
	})
	if runErr == nil {
		end := now()
		r.FinishedAt = &end
		runErr = sweep.Keep(ctx, pool, r)
	}

	// What was done before it broke off is worth knowing, too.
	if err := f.printReport(out, r); err != nil {
		return err
	}

	if runErr != nil {
		return fmt.Errorf("the sweep did not come to its end: %w", runErr)
	}

	if !r.Settled() {
		return errUnsettled
	}

	return nil
}
