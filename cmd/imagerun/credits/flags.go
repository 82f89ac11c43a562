package credits

import (
	"errors"
	"strconv"
	"time"

	"imagerun/internal/cli"
)

func parseCredits(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return 0, cli.NotCredits(text)
	}

	return n, nil
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
	var life cli.AgeFlag

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

// resolveAt returns the moment; nil: never.
func (f *expiryFlag) resolveAt(now time.Time) *time.Time {
	switch {
	case f.life > 0:
		return new(now.Add(f.life))
	case !f.moment.IsZero():
		return &f.moment
	default:
		return nil
	}
}
