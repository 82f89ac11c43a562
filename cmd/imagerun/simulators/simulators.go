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
	"imagerun/internal/simulators/creemsim"
	"imagerun/internal/simulators/falsim"
)

// Command returns it.
func Command(environ []string) *cobra.Command {
	var (
		addr, control, base string
		options             falsim.Options
		creemAddr           string
		payments            creemsim.Options
		products            []string
	)

	c := &cobra.Command{
		Use:   "simulators",
		Short: "Run the vendors' simulators, for development",
		Long: `Runs a simulator of fal.ai that speaks its queue, platform, key and media interfaces, and one
of Creem, the payment service, with its hosted checkout. The control surface of each shows
what it was asked and makes it misbehave; open it in a browser.

Point the product at the first with fal.queue_url = <address>/queue, fal.rest_url = <address>/rest,
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

			var err error
			if payments.Products, err = readProducts(products); err != nil {
				return err
			}

			options.AllowPrivateCallbacks, options.BaseURL = true, base

			fal, err := StartFal(addr, control, options)
			if err != nil {
				return err
			}
			defer fal.Stop()

			payments.AllowPrivateCallbacks, payments.Seed = true, options.Seed

			creem, err := StartCreem(creemAddr, payments)
			if err != nil {
				return err
			}
			defer creem.Stop()

			fmt.Fprintf(c.OutOrStdout(), "fal.ai simulator: %s\ncontrol surface:  %s\n", fal.URL, fal.ControlURL)
			fmt.Fprintf(c.OutOrStdout(), "Creem simulator:  %s\ncontrol surface:  %s/_control/\n", creem.URL, creem.URL)
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
	f.StringVar(&creemAddr, "creem-addr", "127.0.0.1:9082", "where Creem's simulator listens, its control surface too; keep it private")
	f.StringVar(&payments.APIKey, "creem-key", "creem_test_simulator_key", "the API key that Creem's simulator accepts")
	f.StringVar(&payments.WebhookURL, "creem-webhook-url", "", "where it tells what happened; empty: nowhere, until an endpoint is made")
	f.StringVar(&payments.WebhookSecret, "creem-webhook-secret", "whsec_simulated", "the secret that signs what it tells")
	f.StringArrayVar(&products, "creem-product", defaultProducts(), "what there is to buy: id,name,price in cents,billing period[,currency]; once for each")
	f.Uint64Var(&options.Seed, "seed", 0, "makes ids and jitter the same in every run; 0: random")

	return c
}

func isWebAddress(text string) bool {
	u, err := url.Parse(text)

	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}
