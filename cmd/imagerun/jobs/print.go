package jobs

import (
	"fmt"
	"io"

	"github.com/google/uuid"

	"imagerun/internal/cli"
	"imagerun/queue/durable"
)

func printPauses(w io.Writer, pauses []durable.Pause, asJSON bool) error {
	if asJSON {
		return cli.PrintJSON(w, append([]durable.Pause{}, pauses...))
	}

	if len(pauses) == 0 {
		cli.PrintLine(w, "no queue is paused")

		return nil
	}

	t := cli.NewTable(w)
	fmt.Fprintln(t, "QUEUE\tBY\tSINCE\tUNTIL\tREASON")

	for _, p := range pauses {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", p.Queue, p.Operator, cli.FormatTime(&p.Since), cli.FormatTime(p.Until), cli.OrDash(p.Reason))
	}

	return t.Flush()
}

func printJob(w io.Writer, j durable.Info, audits []durable.Audit, asJSON bool) error {
	if asJSON {
		answer := struct {
			Job    *durable.Info   `json:"job"` // null: it is done, or was removed
			Audits []durable.Audit `json:"audits"`
		}{Audits: append([]durable.Audit{}, audits...)}

		if j.ID != uuid.Nil {
			answer.Job = &j
		}

		return cli.PrintJSON(w, answer)
	}

	t := cli.NewTable(w)

	if j.ID != uuid.Nil {
		fmt.Fprintf(t, "id\t%s\nkind\t%s\nqueue\t%s\nstate\t%s\n", j.ID, j.Kind, j.Queue, j.State)
		fmt.Fprintf(t, "arguments\t%s\nkey\t%s\n", j.Args, cli.OrDash(j.Key))
		fmt.Fprintf(t, "failed attempts\t%d\nlast code\t%s\nleases lost in a row\t%d\n", j.Attempt, cli.OrDash(j.ErrorCode), j.Lost)
		fmt.Fprintf(t, "staged\t%s (%s ago)\ndue\t%s\ntask in redis\t%s:%d\n", cli.FormatTime(&j.CreatedAt), cli.FormatAge(j.CreatedAt), cli.FormatTime(&j.RunAt), j.ID, j.Epoch)
		fmt.Fprintf(t, "lease until\t%s\ndied\t%s\n", cli.FormatTime(j.LeaseUntil), cli.FormatTime(j.DiedAt))
	}

	for _, a := range audits {
		fmt.Fprintf(t, "%s\t%s by %s, with %d in all\n", cli.FormatTime(&a.At), a.Action, a.Operator, a.Jobs)
	}

	return t.Flush()
}

func printResult(w io.Writer, res durable.Result, done string, dry, asJSON bool) error {
	if asJSON {
		res.Changed = append([]uuid.UUID{}, res.Changed...)

		return cli.PrintJSON(w, res)
	}

	if dry {
		_, err := fmt.Fprintf(w, "%s meant; nothing was changed\n", cli.FormatCount(res.Matched, "job is", "jobs are"))

		return err
	}

	note := ""
	if res.Waiting > 0 {
		note = "; " + cli.FormatCount(res.Waiting, "of these ends when a worker comes, and is canceling until then", "of these end when a worker comes, and are canceling until then")
	}

	_, err := fmt.Fprintf(w, "%d of %s %s%s\n", len(res.Changed), cli.FormatCount(res.Matched, "job was", "jobs were"), done, note)

	return err
}
