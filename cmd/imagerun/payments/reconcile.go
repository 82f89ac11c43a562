package payments

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/clock"
	"imagerun/internal/payments/reconcile"
	"imagerun/internal/postgres"
)

// findingJSON is something that our books and the vendor's do not have alike, for programs.
type findingJSON struct {
	What string `json:"what"`
	ID   string `json:"id"`
}

// dryRunJSON is what a dry run came to, for programs.
type dryRunJSON struct {
	Whole    bool          `json:"whole"`
	Findings []findingJSON `json:"findings"`
	Pages    int           `json:"pages"`
	Items    int64         `json:"items"`
	Calls    int           `json:"calls"` // of the vendor
	Seconds  float64       `json:"seconds"`
	Open     int64         `json:"open"` // differences that wait for a person
}

func (f *tool) reconcileCommand() *cobra.Command {
	var (
		o    reconcile.Options
		wait cli.AgeFlag
	)

	c := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare our books with the vendor's",
		Long: `Has a worker compare our books with the vendor's, as it does twice an hour, and once a day as a whole. It
follows the run, and the looks at what differed, and shows which differences they saw. Without
--whole payments are read until they are known, and subscriptions are not; with it all are read.
Ctrl-C ends the following, and not the run.

With --dry-run it reads the vendor's payments itself, and all subscriptions too with --whole, and only
says what differs: nothing is written, and nothing looked at. That needs creem.key. What was paid
within the last hour is no difference yet.

It ends with 1 while a difference waits for a person.`,
		Example: "  imagerun payments reconcile --whole --dry-run\n  imagerun payments reconcile --whole\n  imagerun payments reconcile --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.withPayments(c.Context(), func(p *app.Payments, pool *pgxpool.Pool) error {
				if o.DryRun {
					return f.compareDry(c, p, o)
				}

				return f.runReconcile(c, p, pool, o.Whole, time.Duration(wait))
			})
		},
	}
	wait = cli.AgeFlag(10 * time.Minute)
	c.Flags().BoolVar(&o.Whole, "whole", false, "read the vendor's lists to their end, subscriptions too")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "change nothing: read the vendor, and say what differs")
	c.Flags().Var(&wait, "wait", "follow the run for so long at most")

	return c
}

// compareDry reads the vendor's lists and says what differs.
func (f *tool) compareDry(c *cobra.Command, p *app.Payments, o reconcile.Options) error {
	if err := requireVendor(p); err != nil {
		return err
	}

	out := dryRunJSON{Whole: o.Whole, Findings: []findingJSON{}}
	o.Tell = func(found reconcile.Finding) {
		out.Findings = append(out.Findings, findingJSON(found))

		if !f.json {
			cli.PrintLine(c.OutOrStdout(), "%s %s", found.What, found.ID)
		}
	}

	report, err := p.Reconciler.Run(c.Context(), o)
	out.Pages, out.Items, out.Calls, out.Seconds = report.Pages, report.Items, report.Calls, report.Took.Seconds()

	if err == nil {
		out.Open, err = p.Desk.CountOpen(c.Context())
	}

	if printErr := f.printDryRun(c.OutOrStdout(), out); printErr != nil {
		return printErr
	}

	if err != nil {
		return fmt.Errorf("the comparison did not come to its end: %w", err)
	}

	return failIfOpen(out.Open)
}

func (f *tool) printDryRun(w io.Writer, out dryRunJSON) error {
	if f.json {
		return cli.PrintJSON(w, out)
	}

	_, err := fmt.Fprintf(w, "a dry run: %s; %s of %s, %s of the vendor, in %s; %d open for a person\n", cli.FormatCount(len(out.Findings), "finding", "findings"),
		cli.FormatCount(out.Pages, "page", "pages"), cli.FormatCount(out.Items, "item", "items"), cli.FormatCount(out.Calls, "call", "calls"),
		time.Duration(out.Seconds*float64(time.Second)).Round(time.Millisecond), out.Open)

	return err
}

// runReconcile stages a run, follows it, and shows what it saw.
func (f *tool) runReconcile(c *cobra.Command, p *app.Payments, pool *pgxpool.Pool, whole bool, wait time.Duration) error {
	theirs := clock.NewCorrected(func(ctx context.Context) (least, most time.Duration, err error) { return postgres.Skew(ctx, pool) }, nil)
	if err := theirs.Measure(c.Context()); err != nil {
		return err
	}

	began := theirs.Now()

	job, err := p.Desk.StageReconcile(c.Context(), whole)
	if err != nil {
		return err
	}

	cli.PrintLine(c.ErrOrStderr(), "job %s compares our books with the vendor's", job)

	ctx, stop := context.WithTimeout(c.Context(), wait)
	defer stop()

	err = f.followRun(ctx, c.ErrOrStderr(), p, pool, job)

	switch {
	case c.Context().Err() != nil:
		return fmt.Errorf("it goes on without being followed, as job %s", job)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("job %s or its looks have not ended in %s, and go on: `imagerun jobs list` shows them; does a worker run?", job, wait)
	case err != nil:
		return err
	}

	return f.showSeen(c, p, job, began)
}

// showSeen shows the differences that were seen since a run began.
func (f *tool) showSeen(c *cobra.Command, p *app.Payments, job uuid.UUID, began time.Time) error {
	list, err := p.Desk.Differences(c.Context(), began, false, maxSeen)
	if err != nil {
		return err
	}

	waiting, err := p.Desk.CountOpen(c.Context())
	if err != nil {
		return err
	}

	scans, err := p.Desk.Scans(c.Context())
	if err != nil {
		return err
	}

	if f.json {
		err = printRun(c.OutOrStdout(), job, scans, list, waiting)
	} else {
		err = f.printDifferences(c.OutOrStdout(), list, waiting)
	}

	if err != nil {
		return err
	}

	return failIfOpen(waiting)
}
