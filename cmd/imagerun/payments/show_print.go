package payments

import (
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"imagerun/internal/cli"
	"imagerun/internal/payments/desk"
	"imagerun/internal/payments/refunds"
)

// printCase prints everything about a purchase: a block each for checkout, subscription and order, and lists of what happened to them.
func printCase(w io.Writer, c desk.Case) error {
	t := cli.NewTable(w)

	for _, o := range c.Checkouts {
		cli.PrintLine(t, "checkout\t%s\nvendor's id\t%s\nsubject\t%s\nproduct\t%s\nprice\t%s before tax\nstatus\t%s", o.ID, cli.OrDash(o.VendorID), o.Subject,
			o.ProductID, formatMoney(o.Amount, o.Currency), o.Status)
		cli.PrintLine(t, "began\t%s\nended\t%s\nnext look\t%s\n", cli.FormatTime(&o.CreatedAt), cli.FormatTime(o.EndedAt), cli.FormatTime(o.NextLookAt))
	}

	for _, s := range c.Subscriptions {
		cli.PrintLine(t, "subscription\t%s\nvendor's id\t%s\nsubject\t%s\nproduct\t%s\nstatus\t%s\nperiod\t%s", s.ID, s.VendorID, formatSubject(s.Subject),
			cli.OrDash(s.ProductID), s.Status, formatPeriod(s.PeriodStart, s.PeriodEnd))
		cli.PrintLine(t, "canceled\t%s\nlast look\t%s\nnext look\t%s\n", cli.FormatTime(s.CanceledAt), cli.FormatTime(s.LookedAt), cli.FormatTime(s.NextLookAt))
	}

	for _, o := range c.Orders {
		printOrder(t, o)
	}

	if err := t.Flush(); err != nil {
		return err
	}

	return printHappenings(w, c)
}

func printOrder(w io.Writer, o desk.Order) {
	cli.PrintLine(w, "order\t%s (%s)\nvendor's id\t%s\nvendor's payment\t%s\nvendor's customer\t%s\nsubject\t%s", o.ID, o.Code, cli.OrDash(o.VendorID),
		cli.OrDash(o.TransactionID), cli.OrDash(o.Customer), formatSubject(o.Subject))
	cli.PrintLine(w, "product\t%s\npaid\t%s, of it tax %s\npaid at\t%s", describeProduct(o), formatMoney(o.Paid, o.Currency), formatMoney(o.Tax, o.Currency), cli.FormatTime(&o.PaidAt))

	if o.PeriodStart != nil {
		cli.PrintLine(w, "period\t%s", formatPeriod(o.PeriodStart, o.PeriodEnd))
	}

	cli.PrintLine(w, "credits given\t%d\ncredits taken back\t%d\nnext credits\t%s\nreturned\t%s\nnext look\t%s\n", o.Credits, o.TakenBack, cli.FormatTime(o.NextCreditsAt),
		describeReturn(o), cli.FormatTime(o.NextLookAt))
}

// printHappenings prints what happened to a purchase, in lists that are left out where they are empty.
func printHappenings(w io.Writer, c desk.Case) error {
	t := cli.NewTable(w)

	for _, h := range c.Changes {
		cli.PrintLine(t, "change\t%s\t%s to %s, %s at once\t%s", cli.FormatTime(&h.CreatedAt), h.FromProduct, h.ToProduct, cli.FormatCount(h.Credits, "credit", "credits"), h.Status)
	}

	currencies := map[string]string{}
	for _, o := range c.Orders {
		currencies[o.ID] = o.Currency
	}

	for _, r := range c.Refunds {
		cli.PrintLine(t, "refund\t%s\t%s of %s, %s, by %s\t%s\t%s", cli.FormatTime(&r.CreatedAt), formatMoney(r.Amount, currencies[r.OrderID]), r.OrderID, r.Reason, r.Actor,
			describeRefund(r.Status), r.ID)
	}

	for _, d := range c.Withdrawals {
		cli.PrintLine(t, "withdrawal\t%s\t%s of %s, number %d\t%s taken back\t%s", cli.FormatTime(&d.DeclaredAt), formatMoney(d.Amount, currencies[d.OrderID]), d.OrderID, d.Number,
			cli.FormatCount(d.Credits, "credit", "credits"), d.ID)
	}

	for _, d := range c.Differences {
		cli.PrintLine(t, "difference\t%s\t%s of %s\t%s", cli.FormatTime(&d.FoundAt), d.Kind, d.About, describeDifference(d))
	}

	for _, e := range c.Events {
		state := e.State
		if e.Code != "" {
			state += ", " + e.Code
		}

		cli.PrintLine(t, "webhook\t%s\t%s\t%s\t%s", cli.FormatTime(&e.ReceivedAt), e.Type, state, e.ID)
	}

	return t.Flush()
}

func formatSubject(id *uuid.UUID) string {
	if id == nil {
		return "not known"
	}

	return id.String()
}

func formatPeriod(start, end *time.Time) string {
	return cli.FormatTime(start) + " to " + cli.FormatTime(end)
}

func describeProduct(o desk.Order) string {
	if o.ProductID == "" {
		return "none of ours"
	}

	return fmt.Sprintf("%s: %s, %s", o.ProductID, o.Product, o.Kind)
}

func describeReturn(o desk.Order) string {
	text := formatMoney(o.Refunded, o.Currency)
	if o.RefundPending {
		text += ", and more is under way"
	}

	if o.Disputed {
		text += "; disputed: the bank decides"
	}

	return text
}

func describeRefund(s refunds.Status) string {
	if s == refunds.ByHand {
		return "by hand: a person must return it in the vendor's dashboard"
	}

	return string(s)
}

func describeDifference(d desk.Difference) string {
	switch {
	case d.Open():
		return "open: a person must see to it"
	case d.SettledAt != nil:
		return fmt.Sprintf("%s by %s on %s", d.Status, orBooks(d.Actor), cli.FormatTime(d.SettledAt))
	default:
		return fmt.Sprintf("%s, %+d credits", d.Status, d.Credits)
	}
}

// orBooks names who settled a difference.
func orBooks(actor string) string {
	if actor == "" {
		return "a later look"
	}

	return actor
}
