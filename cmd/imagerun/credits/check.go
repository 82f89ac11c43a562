package credits

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/clock"
	"imagerun/internal/credits"
)

// errUnsound ends the command with 1 although it came to its end: a person has to look.
var errUnsound = errors.New("the ledger is not in order: see the breaches")

// checkJSON is an audit, for programs.
type checkJSON struct {
	Sound      bool            `json:"sound"`
	Invariants []string        `json:"invariants"`
	Breaches   map[string]int  `json:"breaches"`
	Violations []violationJSON `json:"violations"`
}

type violationJSON struct {
	Invariant string    `json:"invariant"`
	Subject   uuid.UUID `json:"subject"`
	What      string    `json:"what"`
}

func (f *tool) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Audit the whole ledger: every invariant",
		Long: `Verifies everything that must always be true of the ledger: that each entry balances, that grants,
holds and balances are what the entries come to, that nothing was paid twice or without an image,
and that every generation that ended holds nothing. docs/credits.md lists the invariants.

It reads the whole ledger, some people's after the other's, and locks and changes nothing of it: it
may run while the service does. Where long, it says how far it is, on standard error. What it found
is noted in the table credit_audit, for the metrics and the alarm.

It ends with 0 when all is in order; with 1 when something is not, or when it could not end. Of one
query it shows twenty breaches at most. The subject that a breach names goes with balance and
entries, too.`,
		Example: "  imagerun credits check\n  imagerun credits check --json",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return f.Connect(c.Context(), func(pool *pgxpool.Pool) error {
				list, err := credits.AuditAll(c.Context(), pool, clock.System, newProgress(c.ErrOrStderr(), clock.System))

				if err == nil {
					err = credits.RecordAudit(c.Context(), pool, clock.System(), list)
				}

				if printErr := f.printAudit(c.OutOrStdout(), list, err == nil); printErr != nil {
					return printErr
				}

				switch {
				case err != nil:
					return fmt.Errorf("the audit did not come to its end: %w", err)
				case len(list) > 0:
					return errUnsound
				default:
					return nil
				}
			})
		},
	}
}

// newProgress says at once how much is not in order, and each second how far the audit is.
func newProgress(w io.Writer, now clock.Now) func(credits.Checked) {
	said := now()

	return func(done credits.Checked) {
		if done.Found > 0 || now().Sub(said) > time.Second {
			cli.PrintLine(w, "%d of %s: %s in the last %s", done.Entries, cli.FormatCount(done.Of, "entry", "entries"), cli.FormatCount(done.Found, "breach", "breaches"), done.Took.Round(time.Millisecond))

			said = now()
		}
	}
}

func (f *tool) printAudit(w io.Writer, list []credits.Violation, whole bool) error {
	breaches := map[string]int{}
	for _, v := range list {
		breaches[v.Invariant]++
	}

	if f.json {
		out := checkJSON{whole && len(list) == 0, credits.Invariants(), breaches, []violationJSON{}}
		for _, v := range list {
			out.Violations = append(out.Violations, violationJSON(v))
		}

		return cli.PrintJSON(w, out)
	}

	t := cli.NewTable(w)

	for _, v := range list {
		whose := "-"
		if v.Subject != uuid.Nil {
			whose = "subject " + v.Subject.String()
		}

		cli.PrintLine(t, "%s\t%s\t%s", v.Invariant, v.What, whose)
	}

	if err := t.Flush(); err != nil || !whole {
		return err
	}

	if len(list) == 0 {
		cli.PrintLine(w, "in order: %d invariants hold", len(credits.Invariants()))

		return nil
	}

	_, err := fmt.Fprintf(w, "%s of %s\n", cli.FormatCount(len(list), "breach", "breaches"), cli.FormatCount(len(breaches), "invariant", "invariants"))

	return err
}
