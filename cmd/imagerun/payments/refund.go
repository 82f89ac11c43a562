package payments

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/clock"
	"imagerun/internal/credits"
	"imagerun/internal/payments/desk"
	"imagerun/internal/payments/refunds"
	"imagerun/internal/postgres"
	"imagerun/queue/durable"
)

// errNotAsked is in what needs no more words: no money is given back, and why.
var errNotAsked = errors.New("nothing was given back")

// refund is money to give back.
type refund struct {
	cli.Decision

	amount int64 // in minor units; zero: all that is left
}

// refundOutcome is what came of it, for programs.
type refundOutcome struct {
	Asked   bool   `json:"asked"` // false: it was before, or this is a dry run
	DryRun  bool   `json:"dry_run"`
	Request string `json:"request"`
	desk.Returned
}

func (f *tool) refundCommand() *cobra.Command {
	var (
		r      refund
		amount string
	)

	c := &cobra.Command{
		Use:   "refund ORDER",
		Short: "Give the money of a payment back",
		Long: `Gives the money of a payment back: all of it that has not gone back, or --amount of it. A worker has the
vendor return it, once; a look then sees that it is back, and takes as large a part of the credits
back as went of the money. What was used of them becomes debt.

The vendor's API returns whole payments alone. A part, or the rest of a payment of which some was
returned, is by hand: it says so, and stays an open difference until a person has returned it in the
vendor's dashboard and has said so with "imagerun payments settle-difference".

A request is carried out once: with the same --request, a UUID, this command may be repeated without
fear when it broke off. Without one it makes one up, and says so. Who did it and why is a row of
payment_refund, and "imagerun payments show" has it. What is asked for cannot be taken back.

ORDER is an ID as show takes it, of one payment.`,
		Example: `  imagerun payments refund ord_01990f3e4b7a7c63a2a56f8f6a0d1b11 --reason goodwill --dry-run
  imagerun payments refund tran_5yVkXqmQbZr8 --reason mistake --request 8d3f6c1e-4c0b-4a53-9a35-3c5d0c1b7a10
  imagerun payments refund 4X9KQ-7M2AB --reason quality --amount 2.50`,
		Args: cli.OneArg("a payment"),
		RunE: func(c *cobra.Command, args []string) error {
			n, wrong := parseName(args[0])
			if err := errors.Join(wrong, r.readAmount(amount), r.validateFlags()); err != nil {
				return err
			}

			return f.withPayments(c.Context(), func(p *app.Payments, pool *pgxpool.Pool) error {
				order, err := p.Desk.FindOrder(c.Context(), n)
				if err != nil {
					return err
				}

				r.NameRequest(c.ErrOrStderr())

				return f.refundOrder(c.Context(), c.OutOrStdout(), p, pool, &r, order)
			})
		},
	}
	r.AddFlags(c, "record", "give nothing back, and show what would be")
	c.Flags().StringVar(&amount, "amount", "", "so much of it, with tax, as in 2.50; without it, all that is left")
	c.SetFlagErrorFunc(nil) // no flag of it is a number of credits

	return c
}

// readAmount reads an amount of money: a part is by hand, so its cents are typed by a person.
func (r *refund) readAmount(text string) error {
	if text == "" {
		return nil
	}

	m := moneyPattern.FindStringSubmatch(text)
	if m == nil {
		return cli.Misuse("--amount: %q is no amount of money: write it as 2.50", text)
	}

	n, err := strconv.ParseInt(m[1]+m[2], 10, 64)
	if m[2] == "" {
		n *= 100
	}

	r.amount = n

	return cli.Refuse(err != nil || n <= 0, "--amount: must be above 0")
}

func (r *refund) validateFlags() error {
	_, err := uuid.Parse(r.Request)

	return errors.Join(cli.Refuse(r.Request != "" && err != nil, "--request: must be a UUID, which the refund is called by"), r.Check())
}

// refundOrder asks for money back, in one transaction with what is shown of it.
func (f *tool) refundOrder(ctx context.Context, w io.Writer, p *app.Payments, pool *pgxpool.Pool, r *refund, order uuid.UUID) error {
	out := refundOutcome{DryRun: r.DryRun, Request: r.Request}

	err := r.CarryOut(ctx, pool, postgres.RetryTx, cli.Words{Done: "asked for", Undone: errNotAsked}, func(tx *postgres.Tx) error {
		if err := r.refuseOtherUse(ctx, tx, pool); err != nil {
			return err
		}

		id, err := uuid.Parse(r.Request)
		if err != nil {
			return err
		}

		out.Returned, err = p.Desk.Refund(ctx, tx, refunds.Request{ID: id, OrderID: order, Amount: r.amount, Reason: refunds.Reason(r.Reason), Actor: r.Operator})

		return err
	})
	if err != nil {
		return err
	}

	out.Asked = out.Fresh && !r.DryRun
	if f.json {
		return cli.PrintJSON(w, out)
	}

	return out.printOutcome(w)
}

// refuseOtherUse refuses a request that decided something else than a refund of a payment.
func (r *refund) refuseOtherUse(ctx context.Context, tx pgx.Tx, pool *pgxpool.Pool) error {
	if err := r.LockRequest(ctx, tx); err != nil {
		return err
	}

	before, err := cli.NewAdmin(pool).Decided(ctx, tx, r.Request)

	switch {
	case err == nil:
		return fmt.Errorf("%s: %w", r.UsedFor(before), errNotAsked)
	case !errors.Is(err, durable.ErrNotFound):
		return err
	}

	ledger := credits.New(credits.Options{Now: clock.System})

	for _, key := range r.LedgerKeys() {
		if e, err := ledger.Booked(ctx, tx, key); err == nil {
			return fmt.Errorf("request %s was used for something else, on %s: %+d %s: %w", r.Request, cli.FormatTime(&e.At), e.Credits(), cli.DescribeEntry(e), errNotAsked)
		} else if !errors.Is(err, credits.ErrNotBooked) {
			return err
		}
	}

	return nil
}

func (o refundOutcome) printOutcome(w io.Writer) error {
	switch {
	case !o.Fresh:
		cli.PrintLine(w, "request %s was asked for before; nothing was changed:", o.Request)
	case o.DryRun:
		cli.PrintLine(w, "a dry run: nothing is given back. This would be:")
	default:
		cli.PrintLine(w, "asked for, by request %s:", o.Request)
	}

	cli.PrintLine(w, "%s of %s: %s", formatMoney(o.Amount, o.Currency), o.OrderID, o.describeWay())

	if o.Fresh {
		cli.PrintLine(w, "%s of it go, once the vendor says that the money is back; what was used of them becomes debt", cli.FormatCount(o.Credits, "credit", "credits"))
	}

	return nil
}

// describeWay says how the money goes back, and how far it is.
func (o refundOutcome) describeWay() string {
	switch o.Status {
	case refunds.Asked:
		return "a worker has the vendor return it"
	case refunds.Sent:
		return "the vendor was asked to return it, and a worker finds out whether it did"
	case refunds.ByHand:
		return "by hand: return it in the vendor's dashboard, then\n  imagerun payments settle-difference refund_by_hand " + o.Request
	case refunds.Refused:
		return "the vendor refused, or it was decided not to return it"
	default:
		return "the vendor has returned it"
	}
}
