package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"imagerun/internal/simulators/falsim"
)

func simulatorsCommand(environ []string) *cobra.Command {
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
				return misuse("simulators do not run in production")
			}

			if err := errors.Join(
				refuse(options.Duration < 0, "--duration: must not be negative"),
				refuse(options.Slots < 0, "--slots: must not be negative; 0 means no limit"),
				refuse(base != "" && !isWebAddress(base), "--base-url: must be an address such as https://fal.example"),
			); err != nil {
				return err
			}

			options.AllowPrivateCallbacks, options.BaseURL = true, base

			fal, err := startFal(addr, control, options)
			if err != nil {
				return err
			}
			defer fal.stop()

			fmt.Fprintf(c.OutOrStdout(), "fal.ai simulator: %s\ncontrol surface:  %s\n", fal.url, fal.controlURL)
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

// falServer is a simulator of fal.ai on two listeners.
type falServer struct {
	sim             *falsim.Sim
	url, controlURL string
	servers         []*http.Server
}

func startFal(addr, control string, o falsim.Options) (*falServer, error) {
	s := &falServer{sim: falsim.New(o)}

	for _, l := range []struct {
		addr    string
		handler http.Handler
		url     *string
	}{{addr, s.sim.Handler(), &s.url}, {control, s.sim.Control(), &s.controlURL}} {
		listener, err := net.Listen("tcp", l.addr)
		if err != nil {
			s.stop()

			return nil, fmt.Errorf("listen for the fal.ai simulator: %w", err)
		}

		server := &http.Server{Handler: l.handler, ReadHeaderTimeout: 10 * time.Second}
		*l.url = "http://" + listener.Addr().String()
		s.servers = append(s.servers, server)

		go func() { _ = server.Serve(listener) }()
	}

	return s, nil
}

func (s *falServer) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()

	for _, server := range s.servers {
		_ = server.Shutdown(ctx)
	}

	s.sim.Close()
}
