package main

import (
	"errors"
	"io"
	"os/user"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"imagerun/internal/credits"
)

// word is what may stand in a ledger that is kept for years: no sentence, and no address.
var word = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

var digitFlag = regexp.MustCompile(`^unknown shorthand flag: '\d' in (-.*)$`)

// flags adds those that every decision has.
func (d *decision) flags(c *cobra.Command) {
	login := ""
	if u, err := user.Current(); err == nil && word.MatchString(u.Username) {
		login = u.Username
	}

	c.Flags().StringVar(&d.reason, "reason", "", "why: "+reasons())
	c.Flags().StringVar(&d.request, "request", "", "what makes it happen once, such as the number of a ticket; without it, one is made up")
	c.Flags().StringVar(&d.operator, "by", login, "who does this: your login, for the ledger")
	c.Flags().BoolVar(&d.dryRun, "dry-run", false, "book nothing, and show what would be booked")
	// --actor is what the ledger calls it.
	c.Flags().SetNormalizeFunc(func(_ *pflag.FlagSet, name string) pflag.NormalizedName {
		if name == "actor" {
			name = "by"
		}

		return pflag.NormalizedName(name)
	})
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		if m := digitFlag.FindStringSubmatch(err.Error()); m != nil {
			return notCredits(m[1])
		}

		return err
	})
}

// check says everything that is wrong with it.
func (d *decision) check() error {
	known := slices.Contains(credits.OperatorReasons(), credits.Reason(d.reason))

	return errors.Join(
		refuse(d.reason == "", "--reason: say why: %s", reasons()),
		refuse(d.reason != "" && !known, "--reason: there is no %q; there are %s", d.reason, reasons()),
		refuse(d.request != "" && !word.MatchString(d.request), "--request: must be up to 64 letters, digits, dots, dashes and underscores"),
		refuse(!word.MatchString(d.operator), "--by: must be your login: letters, digits, dots, dashes and underscores"),
		refuse(d.operator == "system", "--by: system is what nobody decided"),
	)
}

// named makes sure that the decision has a request, and says it before anything can break off.
func (d *decision) named(w io.Writer) {
	if d.request != "" {
		return
	}

	d.request = uuid.NewString()
	if !d.dryRun {
		line(w, "request %s: to repeat this if it breaks off, add --request and that", d.request)
	}
}

func reasons() string {
	var list []string
	for _, r := range credits.OperatorReasons() {
		list = append(list, string(r))
	}

	return strings.Join(list, ", ")
}

func parseCredits(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, notCredits(text)
	}

	return n, nil
}

func notCredits(text string) error {
	return misuse("%q is no number of credits: write a whole number above 0", text)
}

// countFlag is a whole number above zero; zero: it was not given.
type countFlag int64

// String implements pflag.Value.
func (f *countFlag) String() string {
	if *f == 0 {
		return ""
	}

	return strconv.FormatInt(int64(*f), 10)
}

// Type implements pflag.Value.
func (*countFlag) Type() string { return "number" }

// Set implements pflag.Value.
func (f *countFlag) Set(text string) error {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return errors.New("write a whole number above 0")
	}

	*f = countFlag(n)

	return nil
}

// expiryFlag is when something is too late: a moment, or how long from now. The zero value is never.
type expiryFlag struct {
	text   string
	moment time.Time
	life   time.Duration
}

// String implements pflag.Value.
func (f *expiryFlag) String() string { return f.text }

// Type implements pflag.Value.
func (*expiryFlag) Type() string { return "day or duration" }

// Set implements pflag.Value.
func (f *expiryFlag) Set(text string) error {
	var life ageFlag

	day, err := time.Parse(time.DateOnly, text)

	switch {
	case err == nil && day.AddDate(0, 0, 1).After(time.Now()):
		*f = expiryFlag{text: text, moment: day.AddDate(0, 0, 1)}
	case err == nil:
		return errors.New("that day is over")
	case life.Set(text) == nil && life > 0:
		*f = expiryFlag{text: text, life: time.Duration(life)}
	default:
		return errors.New("write a day such as 2027-01-31, or a number and its unit, such as 72h or 90d")
	}

	return nil
}

// at returns the moment; nil: never.
func (f *expiryFlag) at(now time.Time) *time.Time {
	switch {
	case f.life > 0:
		return new(now.Add(f.life))
	case !f.moment.IsZero():
		return &f.moment
	default:
		return nil
	}
}
