package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"imagerun/internal/jobs"
	"imagerun/queue/durable"
)

// NewAdmin is the operators' side of the jobs. What it stages a scheduler pushes.
func NewAdmin(pool *pgxpool.Pool) *durable.Admin {
	return durable.NewAdmin(durable.New(pool, jobs.Kinds(), durable.Options{}))
}

// PrintJobs prints a table of jobs. A limit that they fill is named; zero: there is none.
func PrintJobs(w io.Writer, jobs []durable.Info, asJSON bool, limit int) error {
	if asJSON {
		return PrintJSON(w, append([]durable.Info{}, jobs...))
	}

	t := NewTable(w)
	PrintLine(t, "ID\tKIND\tQUEUE\tSTATE\tFAILED\tCODE\tAGE\tDUE")

	for _, j := range jobs {
		PrintLine(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s",
			j.ID, j.Kind, j.Queue, j.State, j.Attempt, OrDash(j.ErrorCode), FormatAge(j.CreatedAt), formatDue(j))
	}

	if err := t.Flush(); err != nil {
		return err
	}

	note := ""
	if limit > 0 && len(jobs) == limit {
		note = " (as many as --limit allows)"
	}

	_, err := fmt.Fprintf(w, "%s%s\n", FormatCount(len(jobs), "job", "jobs"), note)

	return err
}

func formatDue(j durable.Info) string {
	switch {
	case j.State == "dead" || j.State == "running":
		return "-"
	case time.Until(j.RunAt) > 0:
		return "in " + time.Until(j.RunAt).Round(time.Second).String()
	default:
		return "now"
	}
}

// FormatAge says how long ago something was.
func FormatAge(t time.Time) string { return time.Since(t).Round(time.Second).String() }
