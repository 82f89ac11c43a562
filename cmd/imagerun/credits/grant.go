package credits

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/clock"
	"imagerun/internal/credits"
)

// maxCredits is as much as one grant may be: a zero too many is quickly typed.
const maxCredits = 1_000_000

func (f *tool) grantCommand() *cobra.Command {
	var (
		d     cli.Decision
		until expiryFlag
	)

	c := &cobra.Command{
		Use:   "grant USER CREDITS",
		Short: "Give a user credits",
		Long: `Gives a user credits: "Credits from our support." is what they read. A user who owes some pays that
first. A request is booked once: with the same --request, this command may be repeated without fear
when it broke off. Without one it makes one up, and says so first.

` + userHelp,
		Example: `  imagerun credits grant 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11 50 --reason goodwill --request ticket-4711
  imagerun credits grant 4X9KQ-7M2AB 20 --reason mistake --expires 90d --dry-run`,
		Args: func(c *cobra.Command, args []string) error {
			return cli.Refuse(len(args) != 2, "%s takes two arguments, a user and how many credits", c.CommandPath())
		},
		RunE: func(c *cobra.Command, args []string) error {
			n, wrong := parseCredits(args[1])
			if err := errors.Join(wrong, cli.Refuse(n > maxCredits, "CREDITS: at most %d at once", maxCredits), d.Check()); err != nil {
				return err
			}

			return f.withUser(c.Context(), args[0], func(ctx context.Context, pool *pgxpool.Pool, userID uuid.UUID) error {
				d.NameRequest(c.ErrOrStderr())

				reference := "adjust:" + d.Request

				return f.carryOut(ctx, c.OutOrStdout(), pool, &d, userID, "grant:"+reference, func(tx pgx.Tx) (bool, error) {
					subject, err := f.ledger.Subject(ctx, tx, userID)
					if err != nil {
						return false, err
					}

					return f.ledger.Grant(ctx, tx, credits.Grant{
						Subject: subject, Source: credits.SourceOperator, Reference: reference, Credits: n, ExpiresAt: until.resolveAt(clock.System()),
						Actor: d.Operator, Reason: credits.Reason(d.Reason),
					})
				})
			})
		},
	}
	d.AddFlags(c, "ledger", bookNothing)
	c.Flags().Var(&until, "expires", "when: a day that is still good (2027-01-31, UTC), or after how long (90d, 72h); without it, never")

	return c
}
