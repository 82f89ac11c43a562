// Package credits is the commands about credits: look at them, give some, refund a generation, audit the ledger.
package credits

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/clock"
	"imagerun/internal/config"
	"imagerun/internal/credits"
)

// tool is what the commands about credits share.
type tool struct {
	cli.Settings

	json   bool
	ledger *credits.Ledger
}

// userHelp says what an argument USER may be.
const userHelp = `USER is the id of a user; or a generation of theirs, by its id (gen_…) or support code; or the name
under which the ledger knows them (subject), as check shows it.`

// Command returns the group.
func Command(environ []string) *cobra.Command {
	f := tool{Settings: cli.Settings{Environ: environ}, ledger: credits.New(credits.Options{Now: clock.System})}

	c := &cobra.Command{
		Use:   "credits",
		Short: "Look at credits, give some, refund a generation, audit the ledger",
		Long: `Each step of a user's credits is an entry of a ledger that is only ever added to. These commands
show it in the words that the person reads, and book what operators decide. Who did it and why is
part of the entry, for as long as the ledger is kept: that is its audit.

They need postgres.url (` + config.Variable("postgres.url") + `) and nothing else. The role
imagerun_operator is enough: it may add entries, and can neither change nor remove one.
docs/credits.md explains the words.`,
		Example: `  imagerun credits balance 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11
  imagerun credits refund 4X9KQ-7M2AB --image 2 --reason quality --dry-run
  imagerun credits check`,
	}
	f.Settings.AddFlag(c.PersistentFlags())
	cli.AddJSONFlag(c.PersistentFlags(), &f.json)

	return cli.Group(c, f.balanceCommand(), f.entriesCommand(), f.grantCommand(), f.refundCommand(), f.checkCommand())
}

func (f *tool) balanceCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "balance USER",
		Short: "Show what a user has, and until when",
		Long: `Shows what can be spent (available), what generations in hand have set aside (held) and what is owed
for payments that were taken back (debt); and the grants that it consists of, in the order in which
they will be spent.

` + userHelp,
		Example: `  imagerun credits balance 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11
  imagerun credits balance gen_01990f3e4b7a7c63a2a56f8f6a0d1b11 --json`,
		Args: cli.OneArg("a user"),
		RunE: func(c *cobra.Command, args []string) error {
			return f.withUser(c.Context(), args[0], func(ctx context.Context, pool *pgxpool.Pool, userID uuid.UUID) error {
				b, err := f.ledger.Balance(ctx, pool, userID)
				if err != nil {
					return err
				}

				grants, err := f.ledger.Grants(ctx, pool, userID)
				if err != nil {
					return err
				}

				return f.printBalance(c.OutOrStdout(), userID, b, grants)
			})
		},
	}
}

func (f *tool) entriesCommand() *cobra.Command {
	var (
		limit  int
		before int64
	)

	c := &cobra.Command{
		Use:   "entries USER",
		Short: "Show a user's ledger, in the words that they read",
		Long: `Shows the last entries of a user's ledger, oldest first: what came or went, what they had after it,
and the sentence that they read.

` + userHelp,
		Example: `  imagerun credits entries 01990f3e-4b7a-7c63-a2a5-6f8f6a0d1b11
  imagerun credits entries 4X9KQ-7M2AB --limit 20 --before 57`,
		Args: cli.OneArg("a user"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := errors.Join(
				cli.Refuse(limit < 1 || limit > 10_000, "--limit: must be 1 to 10000"),
				cli.Refuse(before < 0, "--before: must be the number of an entry"),
			); err != nil {
				return err
			}

			return f.withUser(c.Context(), args[0], func(ctx context.Context, pool *pgxpool.Pool, userID uuid.UUID) error {
				list, err := f.ledger.Entries(ctx, pool, userID, before, limit)
				if err != nil {
					return err
				}

				return f.printEntries(c.OutOrStdout(), userID, list)
			})
		},
	}
	c.Flags().IntVar(&limit, "limit", 50, "at most so many, the last ones")
	c.Flags().Int64Var(&before, "before", 0, "only entries before the one of this number")

	return c
}

// withUser connects, and finds the user whom an argument means.
func (f *tool) withUser(ctx context.Context, arg string, fn func(context.Context, *pgxpool.Pool, uuid.UUID) error) error {
	who, err := cli.ParseName(arg)
	if err != nil {
		return err
	}

	return f.Connect(ctx, func(pool *pgxpool.Pool) error {
		userID, err := f.findUser(ctx, pool, who)
		if err != nil {
			return err
		}

		return fn(ctx, pool, userID)
	})
}
