package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/publicid"
	"imagerun/internal/support"
	"imagerun/queue/durable"
)

// inspected is everything about one generation.
type inspected struct {
	generation.Inspection

	PublicID  string             `json:"public_id"`
	Decisions []durable.Decision `json:"decisions"`
	Jobs      []durable.Info     `json:"jobs"`
	Entries   []entryJSON        `json:"entries"`

	entries []credits.Entry
}

func showCommand(environ []string) *cobra.Command {
	var (
		file   string
		asJSON bool
	)

	c := &cobra.Command{
		Use:   "show <name>",
		Short: "Show what happened to a generation: attempts, jobs, money and objects",
		Long: `Shows in one look what became of a generation, whatever somebody has of it: its id (gen_…) or support
code, an id from a log or a table (also of an attempt or an image), or fal's id of the request. What
its owner wrote is not shown.

It needs the database alone.`,
		Example: `  imagerun generations show 4X9KQ-7M2AB
  imagerun generations show gen_01990f3e4b7a7c63a2a56f8f6a0d1b11 --json`,
		Args: one("a generation"),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := support.Parse(args[0])
			if err != nil {
				return misuse("%w", err)
			}

			return connected(c.Context(), file, environ, func(pool *pgxpool.Pool) error {
				id, err := findGeneration(c.Context(), pool, n)
				if err != nil {
					return err
				}

				s, err := inspectGeneration(c.Context(), pool, id)
				if err != nil {
					return err
				}

				if asJSON {
					return printJSON(c.OutOrStdout(), s)
				}

				return printInspected(c.OutOrStdout(), s)
			})
		},
	}
	c.Flags().StringVar(&file, "config", "", "the YAML file to read; the environment wins over it")
	c.Flags().BoolVar(&asJSON, "json", false, "answer in JSON, for programs")

	return c
}

// findGeneration returns the one that a name means, or says what it means instead.
func findGeneration(ctx context.Context, pool *pgxpool.Pool, n support.Name) (uuid.UUID, error) {
	found, err := support.Find(ctx, pool, n)
	if err != nil {
		return uuid.Nil, err
	}

	var others strings.Builder

	for _, s := range found {
		if s.Kind == support.Generation {
			return s.ID, nil
		}

		fmt.Fprintf(&others, "; %s is the %s %s of user %s", n.Text, s.Kind, s.PublicID(), s.UserID)
	}

	return uuid.Nil, fmt.Errorf("there is no generation %s, or not any more%s", n.Text, others.String())
}

func inspectGeneration(ctx context.Context, pool *pgxpool.Pool, id uuid.UUID) (s inspected, err error) {
	if s.Inspection, err = generation.Inspect(ctx, pool, id); err != nil {
		return s, err
	}

	s.PublicID = publicid.Format(publicid.PrefixGeneration, id)

	admin := adminOf(pool)
	if s.Decisions, err = admin.DecidedAbout(ctx, id); err != nil {
		return s, err
	}

	if s.Jobs, err = admin.List(ctx, durable.Filter{About: append(attemptIDs(s.Inspection), id)}); err != nil {
		return s, err
	}

	s.entries, err = credits.New(credits.Options{Now: clock.System}).EntriesOf(ctx, pool, id)
	if errors.Is(err, credits.ErrNoHold) {
		err = nil
	}

	s.Entries = entriesJSON(s.entries)

	return s, err
}

// printCosts shows what each attempt cost us; "-": the provider has not told, or has not billed.
func printCosts(w io.Writer, attempts []generation.InspectedAttempt) error {
	if len(attempts) == 0 {
		return nil
	}

	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line(t, "\nATTEMPT\tUNITS TOLD\tUNITS BILLED\tCOST")

	for _, a := range attempts {
		line(t, "%d\t%s\t%s\t%s", a.Number, orDash(orNone(a.UnitsTold)), orDash(orNone(a.UnitsBilled)), formatCost(a.CostNanoUSD))
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
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line(t, "generation\t%s\nsupport code\t%s\nid\t%s\nuser\t%s (plan %s)", s.PublicID, s.SupportCode, s.ID, s.UserID, s.Plan)
	line(t, "model\t%s%s at %s\nstatus\t%s%s", s.Model, describeServed(s.ServedModel), s.Provider, s.Status, describeCanceling(s.Canceling))

	if s.FailureCode != nil {
		message, _ := generation.FailureText(generation.FailureCode(*s.FailureCode))
		line(t, "why\t%s: %s", *s.FailureCode, message)
	}

	if s.DeletedAt != nil {
		line(t, "deleted\t%s by its owner; what is left goes with a job", stamp(s.DeletedAt))
	}

	if err := t.Flush(); err != nil {
		return err
	}

	line(w, "\nWHAT HAPPENED")

	for _, e := range buildTimeline(s) {
		line(w, "  %s  %s", stamp(&e.at), e.text)
	}

	if err := printCosts(w, s.Attempts); err != nil {
		return err
	}

	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line(t, "\nIMAGE\tSTATUS\tSIZE\tBYTES\tOBJECT")

	for _, m := range s.Images {
		line(t, "%d\t%s\t%s\t%s\t%s%s", m.Index+1, m.Status, formatSize(m.Width, m.Height), formatNumber(m.Bytes), m.Key, describeLost(m.LostAt))
	}

	if err := t.Flush(); err != nil {
		return err
	}

	line(w, "")

	if err := printJobs(w, s.Jobs, false, 0); err != nil || len(s.entries) == 0 {
		return err
	}

	line(w, "")

	return entryTable(w, s.entries)
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
		add(a.SentAt, "attempt %d was sent to %s, request %s", a.Number, a.Endpoint, orDash(orNone(a.RequestID)))
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

	return " (missing since " + stamp(at) + ")"
}
