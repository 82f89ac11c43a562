package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"imagerun/queue/durable"
)

func printJobs(w io.Writer, jobs []durable.Info, asJSON bool, limit int) error {
	if asJSON {
		return printJSON(w, append([]durable.Info{}, jobs...))
	}

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tKIND\tQUEUE\tSTATE\tFAILED\tCODE\tAGE\tDUE")

	for _, j := range jobs {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n",
			j.ID, j.Kind, j.Queue, j.State, j.Attempt, orDash(j.ErrorCode), age(j.CreatedAt), due(j))
	}

	if err := t.Flush(); err != nil {
		return err
	}

	note := ""
	if limit > 0 && len(jobs) == limit {
		note = " (as many as --limit allows)"
	}

	_, err := fmt.Fprintf(w, "%s%s\n", countNoun(len(jobs), "job", "jobs"), note)

	return err
}

func printPauses(w io.Writer, pauses []durable.Pause, asJSON bool) error {
	if asJSON {
		return printJSON(w, append([]durable.Pause{}, pauses...))
	}

	if len(pauses) == 0 {
		line(w, "no queue is paused")

		return nil
	}

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "QUEUE\tBY\tSINCE\tUNTIL\tREASON")

	for _, p := range pauses {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", p.Queue, p.Operator, stamp(&p.Since), stamp(p.Until), orDash(p.Reason))
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

		return printJSON(w, answer)
	}

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)

	if j.ID != uuid.Nil {
		fmt.Fprintf(t, "id\t%s\nkind\t%s\nqueue\t%s\nstate\t%s\n", j.ID, j.Kind, j.Queue, j.State)
		fmt.Fprintf(t, "arguments\t%s\nkey\t%s\n", j.Args, orDash(j.Key))
		fmt.Fprintf(t, "failed attempts\t%d\nlast code\t%s\nleases lost in a row\t%d\n", j.Attempt, orDash(j.ErrorCode), j.Lost)
		fmt.Fprintf(t, "staged\t%s (%s ago)\ndue\t%s\ntask in redis\t%s:%d\n", stamp(&j.CreatedAt), age(j.CreatedAt), stamp(&j.RunAt), j.ID, j.Epoch)
		fmt.Fprintf(t, "lease until\t%s\ndied\t%s\n", stamp(j.LeaseUntil), stamp(j.DiedAt))
	}

	for _, a := range audits {
		fmt.Fprintf(t, "%s\t%s by %s, with %d in all\n", stamp(&a.At), a.Action, a.Operator, a.Jobs)
	}

	return t.Flush()
}

func printResult(w io.Writer, res durable.Result, done string, dry, asJSON bool) error {
	if asJSON {
		res.Changed = append([]uuid.UUID{}, res.Changed...)

		return printJSON(w, res)
	}

	if dry {
		_, err := fmt.Fprintf(w, "%s meant; nothing was changed\n", countNoun(res.Matched, "job is", "jobs are"))

		return err
	}

	note := ""
	if res.Waiting > 0 {
		note = "; " + countNoun(res.Waiting, "of these ends when a worker comes, and is canceling until then", "of these end when a worker comes, and are canceling until then")
	}

	_, err := fmt.Fprintf(w, "%d of %s %s%s\n", len(res.Changed), countNoun(res.Matched, "job was", "jobs were"), done, note)

	return err
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")

	return e.Encode(v)
}

func due(j durable.Info) string {
	switch {
	case j.State == "dead" || j.State == "running":
		return "-"
	case time.Until(j.RunAt) > 0:
		return "in " + time.Until(j.RunAt).Round(time.Second).String()
	default:
		return "now"
	}
}

func age(t time.Time) string { return time.Since(t).Round(time.Second).String() }

func stamp(t *time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}

	return t.UTC().Format(time.DateTime) + " UTC"
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}

	return s
}
