// Package simulators is the command that runs the vendors' simulators, for development.
package simulators

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"imagerun/internal/cli"
	"imagerun/internal/simulators/falsim"
)

// Command returns it.
func Command(environ []string) *cobra.Command {
	var (
		addr, control, base string
		options             falsim.Options
	)

	c := &cobra.Command{
		Use:   "simulators",
		Short: "Run the vendors' simulators, for development",
		Long: `Runs a simulator of fal.ai that speaks its queue, platform, key and media interfaces. Its
control surface shows what it was asked and makes it misbehave; open it in a browser.

Point the product at it with fal.queue_url = <address>/queue, fal.rest_url = <address>/rest,
fal.api_url = <address>/v1, fal.media_hosts = <host> and fal.allow_private_media = true.
Nothing is kept: a restart forgets everything.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if slices.Contains(environ, "IMAGERUN_ENV=production") {
				return cli.Misuse("simulators do not run in production")
			}

			if err := errors.Join(
				cli.Refuse(options.Duration < 0, "--duration: must not be negative"),
				cli.Refuse(options.Slots < 0, "--slots: must not be negative; 0 means no limit"),
				cli.Refuse(base != "" && !isWebAddress(base), "--base-url: must be an address such as https://fal.example"),
			); err != nil {
				return err
			}

			options.AllowPrivateCallbacks, options.BaseURL = true, base

			fal, err := StartFal(addr, control, options)
			if err != nil {
				return err
			}
			defer fal.Stop()

			fmt.Fprintf(c.OutOrStdout(), "fal.ai simulator: %s\ncontrol surface:  %s\n", fal.URL, fal.ControlURL)
			<-c.Context().Done()

			return nil
		},
	}

	f := c.Flags()
	f.StringVar(&addr, "fal-addr", "127.0.0.1:9080", "where the simulator listens")
	f.StringVar(&control, "control-addr", "127.0.0.1:9081", "where its control surface listens; keep it private")
	f.StringVar(&base, "base-url", "", "how it names itself in links; empty: as it was called")
	f.StringVar(&options.Key, "key", "sim:fal-simulator-key", "the API key it accepts")
	f.StringVar(&options.UserID, "user-id", "user_simulated", "the account its webhooks are signed for")
	f.DurationVar(&options.Duration, "duration", 2*time.Second, "how long an image takes")
	f.IntVar(&options.Slots, "slots", 0, "how many run at once; 0: no limit")
	f.Uint64Var(&options.Seed, "seed", 0, "makes ids and jitter the same in every run; 0: random")

	return c
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)

	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
