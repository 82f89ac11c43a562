package jobs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/jobs"
	"imagerun/queue/durable"
)

func pauseCommand(f *flags, paused bool) *cobra.Command {
	var (
		reason string
		how    cli.AgeFlag
	)

	c := &cobra.Command{
		Use:   "pause <queue>",
		Short: "Begin no further job of a queue; schedulers apply it within seconds",
		Args:  oneQueue,
		Long: `Jobs of a paused queue are kept, and those that run go on. A job that is canceled meanwhile ends
when the queue is resumed.`,
		Example: "  imagerun jobs pause vendor --reason \"fal is down\" --for 2h\n  imagerun jobs pauses\n  imagerun jobs resume vendor",
	}

	done := "paused"
	if !paused {
		c.Long, c.Example = "", "  imagerun jobs resume vendor"
		c.Use, c.Short, done = "resume <queue>", "Work a paused queue again; schedulers apply it within seconds", "resumed"
	}

	c.RunE = f.withAdmin(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, args []string) error {
		var err error
		if paused {
			err = admin.Pause(ctx, durable.Pause{Queue: args[0], Operator: f.operator, Reason: reason}, time.Duration(how))
		} else {
			err = admin.Resume(ctx, args[0], f.operator)
		}

		if err != nil {
			return err
		}

		_, err = fmt.Fprintf(c.OutOrStdout(), "queue %s is %s\n", args[0], done)

		return err
	})
	cli.AddOperatorFlag(c.Flags(), &f.operator)

	if paused {
		c.Flags().StringVar(&reason, "reason", "", "why, for the audit; never about a person")
		c.Flags().Var(&how, "for", "resumed by itself after so long: 30m, 2h, 1d; without it, by `imagerun jobs resume`")
	}

	return c
}

func pausesCommand(f *flags) *cobra.Command {
	c := &cobra.Command{
		Use:   "pauses",
		Short: "List the paused queues: by which operator, why, and until when",
		Args:  cobra.NoArgs,
		RunE: f.withAdmin(func(ctx context.Context, c *cobra.Command, admin *durable.Admin, _ []string) error {
			pauses, err := admin.Pauses(ctx)
			if err != nil {
				return err
			}

			return printPauses(c.OutOrStdout(), pauses, f.json)
		}),
	}
	cli.AddJSONFlag(c.Flags(), &f.json)

	return c
}

// oneQueue asks for the name of a queue.
func oneQueue(c *cobra.Command, args []string) error {
	known := jobs.Kinds().Queues()

	if err := cli.OneArg("a queue: "+strings.Join(known, ", "))(c, args); err != nil {
		return err
	}

	return cli.Refuse(!slices.Contains(known, args[0]), "there is no queue %q; there are %s", args[0], strings.Join(known, ", "))
}
