// Package payments is the commands about payments: see what became of a purchase, have it looked at or paid back, and compare our books with
// the vendor's.
package payments

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/config"
	"imagerun/internal/payments/desk"
)

// tool is what the commands about payments share.
type tool struct {
	cli.Settings

	json bool
	// every is how often a run that is followed is asked about.
	every time.Duration
}

// nameHelp says what an argument ID may be.
const nameHelp = `ID is an id of ours, as the API has it (ord_, sub_, cko_ and 32 digits) or as logs and tables do, of a
refund or a withdrawal too; the vendor's (ord_, tran_, sub_, ch_), as a bill or the vendor's dashboard
shows it; or a support code.`

// Command returns the group.
func Command(environ []string) *cobra.Command {
	f := tool{Settings: cli.Settings{Environ: environ}, every: time.Second}

	return f.groupCommand()
}

func (f *tool) groupCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "payments",
		Short: "See what became of a purchase, have it looked at or paid back, compare our books with the vendor's",
		Long: `The vendor's books are the truth about money, ours about credits. A webhook is only a reason to look: a
look reads what the vendor says now, and brings order, credits and plan up to it. So whatever seems
wrong with a purchase, look at it again: that is always harmless.

These commands need postgres.url (` + config.Variable("postgres.url") + `); those that ask the vendor itself, which
are products --check and reconcile --dry-run, need creem.key too. The role imagerun_operator is
enough. They show no address of a person. docs/operations.md, Payments, says what to do when.`,
		Example: `  imagerun payments show 4X9KQ-7M2AB
  imagerun payments look tran_5yVkXqmQbZr8
  imagerun payments refund ord_01990f3e4b7a7c63a2a56f8f6a0d1b11 --reason goodwill --dry-run
  imagerun payments differences --open`,
	}
	f.Settings.AddFlag(c.PersistentFlags())
	cli.AddJSONFlag(c.PersistentFlags(), &f.json)

	return cli.Group(c, f.showCommand(), f.replayCommand(), f.lookCommand(), f.refundCommand(), f.productsCommand(), f.reconcileCommand(),
		f.differencesCommand(), f.settleCommand())
}

// withPayments connects, and offers what payments do.
func (f *tool) withPayments(ctx context.Context, fn func(*app.Payments, *pgxpool.Pool) error) error {
	return f.ConnectAs(ctx, config.ProcessOperator, func(cfg config.Config, pool *pgxpool.Pool) error {
		p, err := app.NewPayments(cfg, pool)
		if err != nil {
			return cli.InvalidConfig(err)
		}
		defer p.Close()

		return fn(p, pool)
	})
}

// requireVendor refuses what needs the vendor where nothing says how to call it.
func requireVendor(p *app.Payments) error {
	return cli.Refuse(p.Vendor == nil, "creem.key (%s) is needed: the vendor itself is asked", config.Variable("creem.key"))
}

// parseName reads what an operator calls a purchase by.
func parseName(text string) (desk.Name, error) {
	n, err := desk.ParseName(text)
	if err != nil {
		return n, cli.Misuse("%w", err)
	}

	return n, nil
}

// formatMoney writes an amount of minor units.
func formatMoney(amount int64, currency string) string {
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}

	return fmt.Sprintf("%s%d.%02d %s", sign, amount/100, amount%100, currency)
}
