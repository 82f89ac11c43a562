package payments

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/payments/books"
	"imagerun/internal/payments/desk"
)

// errOpen ends a command with 1 although it came to its end: a person has to look.
var errOpen = errors.New("differences wait for a person: `imagerun payments differences --open` lists them")

var (
	moneyPattern = regexp.MustCompile(`^(\d{1,9})(?:\.(\d\d))?$`)
	loginPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

func (f *tool) differencesCommand() *cobra.Command {
	var (
		open  bool
		limit int
	)

	c := &cobra.Command{
		Use:   "differences",
		Short: "List where our books and the vendor's differed",
		Long: `Lists where our books and the vendor's differed, the newest first, with the credits that were given or
taken for it. Repaired: a look put it right, because a webhook was lost. Open: a person must see to it.
Settled: a person did, or a later look found it right. docs/operations.md says what each kind means,
and what to do.

It ends with 1 while one is open.`,
		Example: "  imagerun payments differences --open\n  imagerun payments differences --limit 500 --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 1 || limit > 10_000 {
				return cli.Misuse("--limit: must be 1 to 10000")
			}

			return f.withPayments(c.Context(), func(p *app.Payments, _ *pgxpool.Pool) error {
				list, err := p.Desk.Differences(c.Context(), time.Time{}, open, limit)
				if err != nil {
					return err
				}

				waiting, err := p.Desk.CountOpen(c.Context())
				if err != nil {
					return err
				}

				if err := f.printDifferences(c.OutOrStdout(), list, waiting); err != nil {
					return err
				}

				return failIfOpen(waiting)
			})
		},
	}
	c.Flags().BoolVar(&open, "open", false, "only those that wait for a person")
	c.Flags().IntVar(&limit, "limit", 50, "at most so many, the newest ones")

	return c
}

func failIfOpen(waiting int64) error {
	if waiting > 0 {
		return errOpen
	}

	return nil
}

func (f *tool) settleCommand() *cobra.Command {
	var s desk.Settlement

	c := &cobra.Command{
		Use:   "settle-difference KIND ABOUT",
		Short: "Say that a person has dealt with a difference",
		Long: `Marks an open difference as settled, with who did and when. It puts nothing right by itself: one that is
there again when the books are next compared is open again. A refund by hand (refund_by_hand, about
the id of the refund) ends with it: the money is back, and the payment is watched until the vendor says
so; with --unpaid it was not given back, and may be asked for again.

KIND and ABOUT are as "imagerun payments differences" has them. Settling twice changes nothing.`,
		Example: `  imagerun payments settle-difference unknown_payment tran_5yVkXqmQbZr8
  imagerun payments settle-difference refund_by_hand 8d3f6c1e-4c0b-4a53-9a35-3c5d0c1b7a10 --by ada`,
		Args: func(c *cobra.Command, args []string) error {
			return cli.Refuse(len(args) != 2, "%s takes two arguments, the kind of a difference and what it is about", c.CommandPath())
		},
		RunE: func(c *cobra.Command, args []string) error {
			s.Kind, s.About = books.DifferenceKind(args[0]), args[1]

			if err := validateSettlement(s); err != nil {
				return err
			}

			return f.withPayments(c.Context(), func(p *app.Payments, _ *pgxpool.Pool) error {
				d, fresh, err := p.Desk.Settle(c.Context(), s)
				if err != nil {
					return err
				}

				return f.printSettled(c.OutOrStdout(), d, fresh)
			})
		},
	}
	cli.AddOperatorFlag(c.Flags(), &s.Actor)
	c.Flags().BoolVar(&s.Unpaid, "unpaid", false, "of a refund by hand: the money was not given back, and will not be")

	return c
}

func validateSettlement(s desk.Settlement) error {
	var kinds []string
	for _, k := range books.OpenKinds() {
		kinds = append(kinds, string(k))
	}

	return errors.Join(
		cli.Refuse(!slices.Contains(kinds, string(s.Kind)), "KIND: there is no %q that waits for a person; there are %s", s.Kind, strings.Join(kinds, ", ")),
		cli.Refuse(s.Unpaid && s.Kind != books.RefundByHand, "--unpaid: is of %s alone", books.RefundByHand),
		cli.Refuse(!loginPattern.MatchString(s.Actor), "--by: must be your login: letters, digits, dots, dashes and underscores"),
	)
}

func (f *tool) printSettled(w io.Writer, d desk.Difference, fresh bool) error {
	switch {
	case f.json:
		return cli.PrintJSON(w, d)
	case fresh:
		cli.PrintLine(w, "settled: %s of %s", d.Kind, d.About)
	default:
		cli.PrintLine(w, "%s of %s did not wait for a person; nothing was changed: %s", d.Kind, d.About, describeDifference(d))
	}

	return nil
}

func (f *tool) printDifferences(w io.Writer, list []desk.Difference, waiting int64) error {
	if f.json {
		return cli.PrintJSON(w, struct {
			Open        int64             `json:"open"` // in all
			Differences []desk.Difference `json:"differences"`
		}{waiting, append([]desk.Difference{}, list...)})
	}

	if err := printDifferenceTable(w, list); err != nil {
		return err
	}

	_, err := fmt.Fprintf(w, "%s, %d open in all\n", cli.FormatCount(len(list), "difference", "differences"), waiting)

	return err
}

func printDifferenceTable(w io.Writer, list []desk.Difference) error {
	t := cli.NewTable(w)
	cli.PrintLine(t, "KIND\tABOUT\tSTATUS\tCREDITS\tFOUND\tLAST SEEN\tBY")

	for _, d := range list {
		cli.PrintLine(t, "%s\t%s\t%s\t%+d\t%s\t%s\t%s", d.Kind, d.About, d.Status, d.Credits, cli.FormatTime(&d.FoundAt), cli.FormatTime(&d.SeenAt), cli.OrDash(d.Actor))
	}

	return t.Flush()
}
