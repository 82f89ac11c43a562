package jobs

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/jobs"
	"imagerun/queue/durable"
)

func schedulesCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use:   "schedules",
		Short: "List the schedules with their last and next runs",
		Long: `A schedule stages a job at each tick of its clock, in UTC, whichever schedulers run. A next run in
the past means that none does.`,
		Example: "  imagerun jobs schedules\n  imagerun jobs schedules --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.Connect(c.Context(), func(pool *pgxpool.Pool) error {
				return printSchedules(c.Context(), c.OutOrStdout(), pool, f.json)
			})
		},
	}
	cli.AddJSONFlag(c.Flags(), &f.json)

	return c
}

func printSchedules(ctx context.Context, w io.Writer, pool *pgxpool.Pool, asJSON bool) error {
	cron, err := durable.NewCron(durable.New(pool, jobs.Kinds(), durable.Options{}), jobs.Schedules()...)
	if err != nil {
		return err
	}

	list, err := cron.List(ctx)
	if err != nil {
		return err
	}

	if asJSON {
		return cli.PrintJSON(w, list)
	}

	t := cli.NewTable(w)
	fmt.Fprintln(t, "NAME\tWHEN (UTC)\tKIND\tLAST RUN\tNEXT RUN")

	for _, s := range list {
		next := cli.FormatTime(&s.NextRun)
		if time.Since(s.NextRun) > 10*time.Second {
			next += ", overdue: does a scheduler run?"
		}

		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.Spec, s.Kind, cli.FormatTime(s.LastRun), next)
	}

	return t.Flush()
}
