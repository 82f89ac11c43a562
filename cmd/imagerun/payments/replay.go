package payments

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/cli"
)

func (f *tool) replayCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "replay EVENT",
		Short: "Have a webhook worked once more",
		Long: `Has a webhook worked once more, whatever became of it: one that failed, or one of a type that a later
release knows. EVENT is its id here, as "imagerun payments show" and the log have it. Working it twice
changes nothing: it is only a reason to look. What a webhook said is kept for 30 days; of an older one
look at the purchase instead.`,
		Example: "  imagerun payments replay 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11",
		Args:    cli.OneArg("the id of an event"),
		RunE: func(c *cobra.Command, args []string) error {
			id, err := uuid.Parse(args[0])
			if err != nil {
				return cli.Misuse("%q is not the id of an event: `imagerun payments show` shows them", args[0])
			}

			return f.withPayments(c.Context(), func(p *app.Payments, _ *pgxpool.Pool) error {
				if err := p.Inbox.Replay(c.Context(), id); err != nil {
					return err
				}

				if f.json {
					return cli.PrintJSON(c.OutOrStdout(), map[string]any{"event_id": id})
				}

				_, err := fmt.Fprintf(c.OutOrStdout(), "event %s is worked once more, as soon as a worker comes\n", id)

				return err
			})
		},
	}
}

func (f *tool) lookCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "look ID",
		Short: "Have our books brought up to what the vendor says of a purchase now",
		Long: `Stages a look: a worker reads what the vendor says of a purchase, and in one transaction brings order,
credits and plan up to it. Looking twice changes nothing. The payments of a subscription are looked
at with it. What the look puts right is a difference, since no webhook told of it: see
"imagerun payments differences".

A payment that our books do not know cannot be looked at: "imagerun payments reconcile --whole" finds it.

` + nameHelp,
		Example: "  imagerun payments look ord_01990f3e4b7a7c63a2a56f8f6a0d1b11\n  imagerun payments look sub_3kWcHnUqLr",
		Args:    cli.OneArg("an id"),
		RunE: func(c *cobra.Command, args []string) error {
			n, err := parseName(args[0])
			if err != nil {
				return err
			}

			return f.withPayments(c.Context(), func(p *app.Payments, _ *pgxpool.Pool) error {
				looks, err := p.Desk.Look(c.Context(), n)
				if err != nil {
					return err
				}

				if f.json {
					return cli.PrintJSON(c.OutOrStdout(), looks)
				}

				for _, l := range looks {
					cli.PrintLine(c.OutOrStdout(), "%s %s is looked at, as soon as a worker comes: job %s", l.What, l.ID, l.Job)
				}

				return nil
			})
		},
	}
}
