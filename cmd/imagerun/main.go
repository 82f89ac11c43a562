// Command imagerun is the operators' tool: it tries the whole product out, migrates the
// database, explains the configuration, looks after jobs, objects and credits, and runs the vendors' simulators.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"imagerun/internal/app"
	"imagerun/internal/config"
)

func main() {
	logLibraries()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := rootCommand(besideDemo(os.Args[1:], os.Environ(), os.Stderr))
	code := runCommand(ctx, root, os.Args[1:], os.Stdout, os.Stderr)

	stop()
	os.Exit(code)
}

// logLibraries has what libraries say by themselves come out as lines of a log, beside what a command says to people.
func logLibraries() {
	_, _ = app.NewLog(os.Stderr, "imagerun", config.Log{}) // its defaults are a log
}

// runCommand returns the exit code, which is that of the other programs: 0; 1 when it failed, or when a person has to
// look; 2 when it was called wrongly.
func runCommand(ctx context.Context, root *cobra.Command, args []string, out, complaints io.Writer) int {
	code := 2
	root.PersistentPreRun = func(*cobra.Command, []string) { code = 1 } // flags and arguments are what they should be
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(complaints)

	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}

	line(complaints, "imagerun: %s", err)

	if errors.As(err, new(*usageError)) {
		return 2
	}

	return code
}

func rootCommand(environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "imagerun",
		Short: "The operators' tool of Imagerun",
		Long: `imagerun tries the whole product out on this machine, migrates the database, explains the
configuration, looks after jobs, objects and credits, and runs the vendors' simulators. Each command says more with --help.

It ends with 0; with 1 when it failed, or when something is left for a person to look at; with 2 when it was called
wrongly, the configuration included.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true

	return group(root, demoCommand(), simulatorsCommand(environ), migrateCommand(environ), configCommand(environ), jobsCommand(environ),
		generationsCommand(environ), creditsCommand(environ))
}

// group makes c a command that only has others below it, and refuses what is none of them.
func group(c *cobra.Command, below ...*cobra.Command) *cobra.Command {
	c.AddCommand(below...)
	c.SuggestionsMinimumDistance = 2
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}

		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			return misuse("there is no command %q: did you mean %s?", args[0], near[0])
		}

		return misuse("there is no command %q: `%s --help` lists them", args[0], c.CommandPath())
	}

	return c
}

// usageError says how a command was called wrongly.
type usageError struct{ error }

// Unwrap returns the cause.
func (e *usageError) Unwrap() error { return e.error }

func misuse(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func invalidConfig(err error) error { return misuse("the configuration is not valid:\n%w", err) }
