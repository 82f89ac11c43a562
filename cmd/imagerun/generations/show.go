package generations

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/generation"
	"imagerun/internal/generation/history"
	"imagerun/internal/support"
	"imagerun/queue/durable"
)

// inspected is everything about one generation.
type inspected struct {
	generation.Inspection

	PublicID  string             `json:"public_id"`
	Decisions []durable.Decision `json:"decisions"`
	Jobs      []durable.Info     `json:"jobs"`
	Entries   []cli.Entry        `json:"entries"`

	entries []credits.Entry
}

func showCommand(environ []string) *cobra.Command {
	var asJSON bool

	settings := cli.Settings{Environ: environ}

	c := &cobra.Command{
		Use:   "show <name>",
		Short: "Show what happened to a generation: attempts, jobs, money and objects",
		Long: `Shows in one look what became of a generation, whatever you have of it: its id (gen_…) or support
code, an id from a log or a table (also of an attempt or an image), or fal's id of the request. What
its owner wrote is not shown.

It needs the database alone.`,
		Example: `  imagerun generations show 4X9KQ-7M2AB
  imagerun generations show gen_01990f3e4b7a7c63a2a56f8f6a0d1b11 --json`,
		Args: cli.OneArg("a generation"),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := cli.ParseName(args[0])
			if err != nil {
				return err
			}

			return settings.Connect(c.Context(), func(pool *pgxpool.Pool) error {
				id, err := findGeneration(c.Context(), pool, n)
				if err != nil {
					return err
				}

				s, err := inspectGeneration(c.Context(), pool, id)
				if err != nil {
					return err
				}

				if asJSON {
					return cli.PrintJSON(c.OutOrStdout(), s)
				}

				return printInspected(c.OutOrStdout(), s)
			})
		},
	}
	settings.AddFlag(c.Flags())
	cli.AddJSONFlag(c.Flags(), &asJSON)

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
	if s.Inspection, err = history.Inspect(ctx, pool, id); err != nil {
		return s, err
	}

	s.PublicID = cli.GenerationID(id)

	admin := cli.NewAdmin(pool)
	if s.Decisions, err = admin.DecidedAbout(ctx, id); err != nil {
		return s, err
	}

	if s.Jobs, err = admin.List(ctx, durable.Filter{About: append(s.AttemptIDs(), id)}); err != nil {
		return s, err
	}

	s.entries, err = credits.New(credits.Options{Now: clock.System}).EntriesOf(ctx, pool, id)
	if errors.Is(err, credits.ErrNoHold) {
		err = nil
	}

	s.Entries = cli.Entries(s.entries)

	return s, err
}
