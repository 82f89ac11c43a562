// Package generations is the commands about generations: see what became of one, cancel one, and look after what they leave
// in the bucket.
package generations

import (
	"github.com/spf13/cobra"

	"imagerun/internal/cli"
)

// Command returns the group.
func Command(environ []string) *cobra.Command {
	c := &cobra.Command{
		Use:   "generations",
		Short: "See what became of a generation, cancel one, and look after what they leave in the bucket",
	}

	return cli.Group(c, showCommand(environ), cancelCommand(environ), sweepCommand(environ))
}
