// Command imagerun is the operators' tool: it tries the whole product out, migrates the
// database, explains the configuration, looks after jobs, objects and credits, and runs the vendors' simulators.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	root := &cobra.Command{
		Use:           "imagerun",
		Short:         "The operators' tool of Imagerun",
		Long:          "imagerun tries the whole product out on this machine, migrates the database, explains the\nconfiguration, looks after jobs, objects and credits, and runs the vendors' simulators. Each command says more with --help.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(demoCommand(), simulatorsCommand(), migrateCommand(), configCommand(), jobsCommand(os.Environ()), generationsCommand(os.Environ()),
		creditsCommand(os.Environ()))

	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "imagerun: "+err.Error())
		stop()
		os.Exit(1)
	}
}
