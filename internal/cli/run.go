package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Run runs the program and returns its exit code, which is that of the other programs: 0; 1 when it failed, or when a
// person has to look; 2 when it was called wrongly.
func Run(ctx context.Context, root *cobra.Command, args []string, out, complaints io.Writer) int {
	code := 2
	root.PersistentPreRun = func(*cobra.Command, []string) { code = 1 } // flags and arguments are what they should be
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(complaints)

	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}

	PrintLine(complaints, "%s: %s", root.Name(), err)

	if errors.As(err, new(*usageError)) {
		return 2
	}

	return code
}

// Group makes c a command that only has others below it, and refuses what is none of them.
func Group(c *cobra.Command, below ...*cobra.Command) *cobra.Command {
	c.AddCommand(below...)
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}

		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return Misuse("there is no command %q: did you mean %s?", args[0], near[0])
		}

		return Misuse("there is no command %q: `%s --help` lists them", args[0], c.CommandPath())
	}

	return c
}

// OneArg asks for exactly one argument.
func OneArg(what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("%s takes one argument, %s", c.CommandPath(), what)
		}

		return nil
	}
}

// usageError says how a command was called wrongly.
type usageError struct{ error }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.error }

// Misuse says how a command was called wrongly, and ends it with 2.
func Misuse(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// Refuse is [Misuse] where something is wrong, else nil: many of them can be joined.
func Refuse(wrong bool, format string, args ...any) error {
	if !wrong {
		return nil
	}

	return Misuse(format, args...)
}

// InvalidConfig is the misuse of a configuration that is not valid.
func InvalidConfig(err error) error { return Misuse("the configuration is not valid:\n%w", err) }
