package cli

import (
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"imagerun/internal/credits"
)

// word is what may stand in a ledger that is kept for years: no sentence, and no address.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

var digitFlag = regexp.MustCompile(`^unknown shorthand flag: '\d' in (-.*)$`)

// Decision is what an operator decided, and how it is to be carried out.
type Decision struct {
	Operator, Reason, Request string
	DryRun                    bool
}

// AddFlags adds those that every decision has: the record is where it is written down, the dry run what is done instead.
func (d *Decision) AddFlags(c *cobra.Command, record, dryRun string) {
	login := currentLogin()
	if !word.MatchString(login) {
		login = ""
	}

	c.Flags().StringVar(&d.Reason, "reason", "", "why: "+listReasons())
	c.Flags().StringVar(&d.Request, "request", "", "what makes it happen once, such as the number of a ticket; without it, one is made up")
	c.Flags().StringVar(&d.Operator, "by", login, "who does this: your login, for the "+record)
	c.Flags().BoolVar(&d.DryRun, "dry-run", false, dryRun)
	// --actor is what the ledger calls it.
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "actor" {
			name = "by"
		}

		return pflag.NormalizedName(name)
	})
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if m := digitFlag.FindStringSubmatch(err.Error()); m != nil {
			return NotCredits(m[1])
		}

		return err
	})
}

// NotCredits is the misuse of a text for a number of credits.
func NotCredits(text string) error {
	return Misuse("%q is no number of credits: write a whole number above 0", text)
}

// Check says everything that is wrong with it.
func (d *Decision) Check() error {
	known := slices.Contains(credits.OperatorReasons(), credits.Reason(d.Reason))

	return errors.Join(
		Refuse(d.Reason == "", "--reason: say why: %s", listReasons()),
		Refuse(d.Reason != "" && !known, "--reason: there is no %q; there are %s", d.Reason, listReasons()),
		Refuse(d.Request != "" && !word.MatchString(d.Request), "--request: must be up to 64 letters, digits, dots, dashes and underscores"),
		Refuse(!word.MatchString(d.Operator), "--by: must be your login: letters, digits, dots, dashes and underscores"),
		Refuse(d.Operator == "system", "--by: system is what nobody decided"),
	)
}

// NameRequest makes sure that the decision has a request, and says it before anything can break off.
func (d *Decision) NameRequest(w io.Writer) {
	if d.Request != "" {
		return
	}

	d.Request = uuid.NewString()
	if !d.DryRun {
		PrintLine(w, "request %s: to repeat this if it breaks off, add --request and that", d.Request)
	}
}

func listReasons() string {
	var list []string
	for _, r := range credits.OperatorReasons() {
		list = append(list, string(r))
	}

	return strings.Join(list, ", ")
}
