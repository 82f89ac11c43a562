package payments

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/clock"
	"imagerun/internal/jobs"
	"imagerun/internal/payments/desk"
	"imagerun/queue"
	"imagerun/queue/durable"
)

// maxSeen is how many differences of a run are shown.
const maxSeen = 1000

// followRun waits until a run has ended, and the looks that it staged. It says how far it is.
func (f *tool) followRun(ctx context.Context, aside io.Writer, p *app.Payments, pool *pgxpool.Pool, job uuid.UUID) error {
	admin, said := cli.NewAdmin(pool), ""

	for {
		running, err := isLive(ctx, admin, job)
		if err != nil {
			return firstCause(ctx, err)
		}

		// After that, so that the last line says how far it came.
		scans, err := p.Desk.Scans(ctx)
		if err != nil {
			return firstCause(ctx, err)
		}

		if now := describeScans(scans); now != said {
			cli.PrintLine(aside, "%s", now)
			said = now
		}

		if !running {
			break
		}

		if !clock.Sleep(ctx, f.every) {
			return ctx.Err()
		}
	}

	return f.followLooks(ctx, admin)
}

// followLooks waits for the looks that are staged or run. One that failed is tried again later, and is not waited for.
func (f *tool) followLooks(ctx context.Context, admin *durable.Admin) error {
	for _, args := range []queue.Args{jobs.LookAtCheckout{}, jobs.LookAtSubscription{}, jobs.LookAtOrder{}} {
		for {
			list, err := admin.List(ctx, durable.Filter{Kind: args.Kind()})
			if err != nil {
				return firstCause(ctx, err)
			}

			waits := slices.ContainsFunc(list, func(j durable.Info) bool { return slices.Contains([]string{"staged", "pushed", "running"}, j.State) })
			if !waits {
				break
			}

			if !clock.Sleep(ctx, f.every) {
				return ctx.Err()
			}
		}
	}

	return nil
}

// isLive reports whether a job is yet to end; an error, that it ended badly.
func isLive(ctx context.Context, admin *durable.Admin, id uuid.UUID) (bool, error) {
	j, _, err := admin.Show(ctx, id)

	switch {
	case errors.Is(err, durable.ErrNotFound):
		return false, nil
	case err != nil:
		return false, err
	case j.State == "dead":
		return false, fmt.Errorf("the comparison failed: `imagerun jobs show %s` says how (%s)", id, cli.OrDash(j.ErrorCode))
	default:
		return true, nil
	}
}

// firstCause says that the time was up, where that is what ended a statement.
func firstCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}

	return err
}

func describeScans(scans []desk.Scan) (text string) {
	for _, s := range scans {
		if text != "" {
			text += "; "
		}

		text += fmt.Sprintf("%s: %s of %s", s.List, cli.FormatCount(int64(s.Pages), "page", "pages"), cli.FormatCount(s.Items, "item", "items"))
		if s.FinishedAt == nil {
			text += ", goes on"
		}
	}

	if text == "" {
		return "no list was ever read"
	}

	return text
}

// printRun prints what a run came to, for programs.
func printRun(w io.Writer, job uuid.UUID, scans []desk.Scan, list []desk.Difference, waiting int64) error {
	return cli.PrintJSON(w, struct {
		Job         uuid.UUID         `json:"job_id"`
		Scans       []desk.Scan       `json:"scans"`
		Open        int64             `json:"open"`
		Differences []desk.Difference `json:"differences"`
	}{job, scans, waiting, append([]desk.Difference{}, list...)})
}
