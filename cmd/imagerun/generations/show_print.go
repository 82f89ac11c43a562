package generations

import (
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"time"

	"imagerun/internal/cli"
	"imagerun/internal/generation"
)

// printCosts shows what each attempt cost us; "-": the provider has not told, or has not billed.
func printCosts(w io.Writer, attempts []generation.InspectedAttempt) error {
	if len(attempts) == 0 {
		return nil
	}

	t := cli.NewTable(w)
	cli.PrintLine(t, "\nATTEMPT\tUNITS TOLD\tUNITS BILLED\tCOST")

	for _, a := range attempts {
		cli.PrintLine(t, "%d\t%s\t%s\t%s", a.Number, cli.OrDash(orNone(a.UnitsTold)), cli.OrDash(orNone(a.UnitsBilled)), formatCost(a.CostNanoUSD))
	}

	return t.Flush()
}

// formatCost writes billionths of a dollar as dollars, exactly.
func formatCost(nanoUSD *int64) string {
	if nanoUSD == nil {
		return "-"
	}

	text := new(big.Rat).SetFrac64(*nanoUSD, 1e9).FloatString(9)

	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + " USD"
}

// step is a line of what happened.
type step struct {
	at   time.Time
	text string
}

func printInspected(w io.Writer, s inspected) error {
	t := cli.NewTable(w)
	cli.PrintLine(t, "generation\t%s\nsupport code\t%s\nid\t%s\nuser\t%s (plan %s)", s.PublicID, s.SupportCode, s.ID, s.UserID, s.Plan)
	cli.PrintLine(t, "model\t%s%s at %s\nstatus\t%s%s", s.Model, describeServed(s.ServedModel), s.Provider, s.Status, describeCanceling(s.Canceling))

	if s.FailureCode != nil {
		message, _ := generation.FailureText(generation.FailureCode(*s.FailureCode))
		cli.PrintLine(t, "why\t%s: %s", *s.FailureCode, message)
	}

	if s.DeletedAt != nil {
		cli.PrintLine(t, "deleted\t%s by its owner; what is left goes with a job", cli.FormatTime(s.DeletedAt))
	}

	if err := t.Flush(); err != nil {
		return err
	}

	cli.PrintLine(w, "\nWHAT HAPPENED")

	for _, e := range buildTimeline(s) {
		cli.PrintLine(w, "  %s  %s", cli.FormatTime(&e.at), e.text)
	}

	if err := printCosts(w, s.Attempts); err != nil {
		return err
	}

	t = cli.NewTable(w)
	cli.PrintLine(t, "\nIMAGE\tSTATUS\tSIZE\tBYTES\tOBJECT")

	for _, m := range s.Images {
		cli.PrintLine(t, "%d\t%s\t%s\t%s\t%s%s", m.Index+1, m.Status, formatSize(m.Width, m.Height), formatNumber(m.Bytes), m.Key, describeLost(m.LostAt))
	}

	if err := t.Flush(); err != nil {
		return err
	}

	cli.PrintLine(w, "")

	if err := cli.PrintJobs(w, s.Jobs, false, 0); err != nil || len(s.entries) == 0 {
		return err
	}

	cli.PrintLine(w, "")

	return cli.PrintEntries(w, s.entries)
}

func buildTimeline(s inspected) []step {
	steps := []step{}
	add := func(at *time.Time, format string, args ...any) {
		if at != nil {
			steps = append(steps, step{*at, fmt.Sprintf(format, args...)})
		}
	}

	for _, e := range s.Events {
		if e.ImageIndex != nil {
			add(&e.At, "image %d is ready", *e.ImageIndex+1)
		} else {
			add(&e.At, "%s", e.Status)
		}
	}

	for _, d := range s.Decisions {
		add(&d.At, "%s orders a %s (%s), request %s", d.Operator, d.Action, d.Reason, d.Request)
	}

	for _, a := range s.Attempts {
		add(&a.CreatedAt, "attempt %d is recorded (%s)", a.Number, a.ID)
		add(a.SentAt, "attempt %d was sent to %s, request %s", a.Number, a.Endpoint, cli.OrDash(orNone(a.RequestID)))
		add(a.CallbackAt, "attempt %d: the provider called back", a.Number)
		add(a.FinishedAt, "attempt %d is %s%s", a.Number, a.State, describeCode(a.ErrorCode))
		add(a.ErasedAt, "attempt %d: the provider deleted its copy", a.Number)

		if a.FinishedAt == nil {
			add(new(time.Now()), "attempt %d is still %s%s", a.Number, a.State, describeCode(a.ErrorCode))
		}
	}

	slices.SortStableFunc(steps, func(a, b step) int { return a.at.Compare(b.at) })

	return steps
}

func orNone(s *string) string {
	if s == nil {
		return ""
	}

	return *s
}

func describeServed(model *string) string {
	if model == nil {
		return ""
	}

	return ", served by " + *model
}

func describeCanceling(canceling bool) string {
	if !canceling {
		return ""
	}

	return ", asked to stop"
}

func describeCode(c *string) string {
	if c == nil {
		return ""
	}

	return ": " + *c
}

func formatSize(width, height *int32) string {
	if width == nil || height == nil {
		return "-"
	}

	return fmt.Sprintf("%d×%d", *width, *height)
}

func formatNumber(n *int64) string {
	if n == nil {
		return "-"
	}

	return fmt.Sprint(*n)
}

func describeLost(at *time.Time) string {
	if at == nil {
		return ""
	}

	return " (missing since " + cli.FormatTime(at) + ")"
}
