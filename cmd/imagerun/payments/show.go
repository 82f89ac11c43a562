package payments

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/payments/desk"
	"imagerun/internal/redact"
)

// maxAddress is as long as an address may be (RFC 5321, 4.5.3.1.3).
const maxAddress = 254

func (f *tool) showCommand() *cobra.Command {
	var byAddress bool

	c := &cobra.Command{
		Use:   "show [ID]",
		Short: "Show what became of a purchase: money, credits, refunds, webhooks, differences",
		Long: `Shows everything about a purchase: its order, subscription and checkout with their states, what was
paid, which credits it gave and which were taken back, refunds and withdrawal, where our books
differed from the vendor's, the webhooks of the last 30 days that name it, and when it is looked at
next. The person is shown by the name under which the ledger knows them (subject), which
"imagerun credits balance" takes.

With --email instead of an ID: all that the people of an address bought, whether they have an account
with it or gave it when they paid. The address is asked for, without being shown, or read from
standard input; it is no argument, so that it is in no list of processes and no history of a shell.
The database is told its hash alone.

` + nameHelp,
		Example: `  imagerun payments show ord_01990f3e4b7a7c63a2a56f8f6a0d1b11
  imagerun payments show tran_5yVkXqmQbZr8 --json
  imagerun payments show --email < address.txt`,
		Args: func(c *cobra.Command, args []string) error {
			return errors.Join(
				cli.Refuse(len(args) > 0 && byAddress, "an ID or --email: which of them? The address itself is asked for, and is no argument"),
				cli.Refuse(len(args) != 1 && !byAddress, "%s takes one argument, an id, or --email", c.CommandPath()),
			)
		},
		RunE: func(c *cobra.Command, args []string) error {
			n, err := f.chooseName(c, args, byAddress)
			if err != nil {
				return err
			}

			return f.withPayments(c.Context(), func(p *app.Payments, _ *pgxpool.Pool) error {
				found, err := p.Desk.Show(c.Context(), n)
				if err != nil {
					return err
				}

				if f.json {
					return cli.PrintJSON(c.OutOrStdout(), found)
				}

				return printCase(c.OutOrStdout(), found)
			})
		},
	}
	c.Flags().BoolVar(&byAddress, "email", false, "find by the address of a person, which is asked for")

	return c
}

func (f *tool) chooseName(c *cobra.Command, args []string, byAddress bool) (desk.Name, error) {
	if !byAddress {
		return parseName(args[0])
	}

	address, err := readAddress(c.InOrStdin(), c.ErrOrStderr())
	if err != nil {
		return desk.Name{}, err
	}

	return desk.NameOfAddress(address), nil
}

// readAddress asks for an address on a terminal, which does not show it, or reads a line. No error of it has the text.
func readAddress(in io.Reader, aside io.Writer) (redact.Personal, error) {
	var (
		line string
		err  error
	)

	if file, ok := in.(*os.File); ok && term.IsTerminal(int(file.Fd())) {
		fmt.Fprint(aside, "address (is not shown): ")

		var typed []byte

		typed, err = term.ReadPassword(int(file.Fd()))
		line = string(typed)

		cli.PrintLine(aside, "")
	} else if line, err = bufio.NewReader(io.LimitReader(in, 2*maxAddress)).ReadString('\n'); errors.Is(err, io.EOF) {
		err = nil
	}

	if err != nil {
		return redact.Personal{}, fmt.Errorf("read the address: %w", err)
	}

	line = strings.TrimSpace(line)

	return redact.NewPersonal(line), cli.Refuse(len(line) > maxAddress || !strings.Contains(line, "@"), "--email: what was given is no address")
}
