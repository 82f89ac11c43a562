package payments

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/payments/desk"
)

// errProducts ends the command with 1 although it came to its end: a person has to put it right.
var errProducts = errors.New("the vendor's products are not ours: see what is wrong, and put it right there or in payments.products_path")

func (f *tool) productsCommand() *cobra.Command {
	var check bool

	c := &cobra.Command{
		Use:   "products",
		Short: "List what is sold, or compare it with the vendor's products",
		Long: `Lists every product in each currency, with the vendor's id of it. With --check it asks the vendor for each:
one that is missing or archived there, or has another price, currency or billing period, is sold
otherwise than we say, or not at all. The id is that of creem.environment; one without an id is not
sold there, and not compared. Retired products are compared too, since what was paid for them is
known by their ids, but may be archived.

It ends with 1 when a product differs. --check needs creem.key.`,
		Example: "  imagerun payments products --check\n  imagerun payments products --check --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.withPayments(c.Context(), func(p *app.Payments, _ *pgxpool.Pool) error {
				return f.showProducts(c, p, check)
			})
		},
	}
	c.Flags().BoolVar(&check, "check", false, "compare each with the vendor's")

	return c
}

func (f *tool) showProducts(c *cobra.Command, p *app.Payments, check bool) error {
	if !check {
		return f.printProducts(c.OutOrStdout(), desk.ListProducts(p.Products), false)
	}

	if err := requireVendor(p); err != nil {
		return err
	}

	list, err := desk.CheckProducts(c.Context(), p.Products, p.Vendor)
	if printErr := f.printProducts(c.OutOrStdout(), list, true); printErr != nil || err != nil {
		return errors.Join(err, printErr)
	}

	for _, one := range list {
		if len(one.Wrong) > 0 {
			return errProducts
		}
	}

	return nil
}

func (f *tool) printProducts(w io.Writer, list []desk.CheckedProduct, checked bool) error {
	if f.json {
		return cli.PrintJSON(w, append([]desk.CheckedProduct{}, list...))
	}

	t := cli.NewTable(w)
	fmt.Fprint(t, "PRODUCT\tPRICE\tVENDOR'S ID")

	if checked {
		fmt.Fprint(t, "\tVENDOR HAS")
	}

	cli.PrintLine(t, "")

	for _, p := range list {
		fmt.Fprintf(t, "%s\t%s\t%s", p.ID, formatMoney(p.Amount, p.Currency), cli.OrDash(p.VendorID))

		if checked {
			fmt.Fprint(t, "\t"+describeCheck(p))
		}

		cli.PrintLine(t, "")
	}

	return t.Flush()
}

func describeCheck(p desk.CheckedProduct) string {
	switch {
	case p.VendorID == "":
		return "-"
	case len(p.Wrong) == 0:
		return "the same"
	default:
		return strings.Join(p.Wrong, "; ")
	}
}
