// Command imagerun is the operators' tool: it tries the whole product out, migrates the
// database, explains the configuration, looks after jobs, objects, credits and payments, and runs the vendors' simulators.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	configcommand "imagerun/cmd/imagerun/config"
	"imagerun/cmd/imagerun/credits"
	"imagerun/cmd/imagerun/demo"
	"imagerun/cmd/imagerun/generations"
	"imagerun/cmd/imagerun/jobs"
	"imagerun/cmd/imagerun/migrate"
	"imagerun/cmd/imagerun/payments"
	"imagerun/cmd/imagerun/simulators"
	"imagerun/internal/app"
	"imagerun/internal/cli"
	"imagerun/internal/config"
)

func main() {
	logLibraries()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	root := rootCommand(demo.AddEnviron(os.Args[1:], os.Environ(), os.Stderr))
	code := cli.Run(ctx, root, os.Args[1:], os.Stdout, os.Stderr)

	stop()
	os.Exit(code)
}

// logLibraries has what libraries say by themselves come out as lines of a log, beside what a command says to people.
func logLibraries() {
	_, _ = app.NewLog(os.Stderr, "imagerun", config.Log{}) // its defaults are a log
}

func rootCommand(environ []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "imagerun",
		Short: "The operators' tool of Imagerun",
		Long: `imagerun tries the whole product out on this machine, migrates the database, explains the
configuration, looks after jobs, objects, credits and payments, and runs the vendors' simulators. Each command says more with --help.

It ends with 0; with 1 when it failed, or when something is left for a person to look at; with 2 when it was called
wrongly, the configuration included.`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true

	return cli.Group(root, demo.Command(), simulators.Command(environ), migrate.Command(environ), configcommand.Command(environ),
		jobs.Command(environ), generations.Command(environ), credits.Command(environ), payments.Command(environ))
}
