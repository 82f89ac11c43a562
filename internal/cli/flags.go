package cli

import (
	"cmp"
	"errors"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// AddJSONFlag adds --json.
func AddJSONFlag(flags *pflag.FlagSet, asJSON *bool) {
	flags.BoolVar(asJSON, "json", false, "answer in JSON, for programs")
}

// AddOperatorFlag adds --by, which is who runs the program, unless they say otherwise.
func AddOperatorFlag(flags *pflag.FlagSet, operator *string) {
	flags.StringVar(operator, "by", cmp.Or(currentLogin(), "unknown"), "who does this, for the audit")
}

// currentLogin is who runs the program. Empty: the machine does not know.
func currentLogin() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}

	return u.Username
}

// AgeFlag is a duration on the command line, which may also be in days.
type AgeFlag time.Duration

// String implements pflag.Value.
func (a *AgeFlag) String() string {
	if *a == 0 {
		return ""
	}

	return time.Duration(*a).String()
}

// Type implements pflag.Value.
func (a *AgeFlag) Type() string { return "duration" }

// Set implements pflag.Value.
func (a *AgeFlag) Set(text string) error {
	d, err := time.ParseDuration(text)

	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int

		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
	}

	if err != nil || d < 0 {
		return errors.New("write a number and its unit, such as 90m, 24h or 7d")
	}

	*a = AgeFlag(d)

	return nil
}
