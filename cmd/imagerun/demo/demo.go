// Package demo is the command that runs the whole product on this machine and makes a first image.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"imagerun/cmd/imagerun/simulators"
	"imagerun/internal/devstack"
)

// demoWorkers is how many workers the demo runs: more than one, so that killing one is safe.
const demoWorkers = 2

// Command returns it.
func Command() *cobra.Command {
	var once bool

	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the whole product on this machine and make a first image",
		Long: `Starts a private Postgres, Redis and S3 server, a simulator of fal.ai, the sign-in service, the
api, two workers and the scheduler; signs a user up, makes a first image while you watch, and
stays up until Ctrl-C. What you make survives a restart. .imagerun/dev.json holds every address
and login, for other tools.`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			root, err := devstack.Root()
			if err != nil {
				return err
			}

			d := &demo{state: filepath.Join(root, ".imagerun"), root: root, out: c.OutOrStdout(), ctx: c.Context()}

			err = d.run(once)
			if c.Context().Err() != nil && errors.Is(err, context.Canceled) {
				fmt.Fprintln(d.out) // after the terminal's ^C
				d.printStep("stopped; make demo goes on where this ended")

				return nil
			}

			return err
		},
	}
	c.Flags().BoolVar(&once, "once", false, "end after the first image")

	return c
}

// demo is one run of the whole product.
type demo struct {
	root, state string // the repository, and its .imagerun
	out         io.Writer
	ctx         context.Context //nolint:containedctx // ends with Ctrl-C, and with a process that ends by itself

	secrets demoSecrets
	stack   *devstack.Stack
	fal     *simulators.Fal
	creem   *simulators.Creem
	auth    *child
	api     *child
	workers []*child
	sched   *child
	broken  chan error // a child ended by itself
}

func (d *demo) run(once bool) (err error) {
	ctx, cancel := context.WithCancelCause(d.ctx)
	defer cancel(nil)

	d.ctx = ctx
	d.broken = make(chan error, 16)

	go func() {
		select {
		case err := <-d.broken:
			cancel(err)
		case <-ctx.Done():
		}
	}()

	defer d.stop()

	defer func() { // a child's end is the reason, not the cancellation that it caused
		if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
			err = cause
		}
	}()

	if d.secrets, err = loadDemoSecrets(filepath.Join(d.state, "demo-secrets.json")); err != nil {
		return err
	}

	if err := d.startServers(); err != nil {
		return err
	}

	if err := d.startProcesses(); err != nil {
		return err
	}

	user, err := d.signUpUser()
	if err != nil {
		return err
	}

	if err := d.writeDevFile(user); err != nil {
		return err
	}

	image := filepath.Join(d.state, "first-image.png")
	if err := d.makeFirstImage(user, image); err != nil {
		return err
	}

	d.printLinks(user, image)

	if once {
		return nil
	}

	fmt.Fprintln(d.out, "\nCtrl-C stops everything; what you made is kept.")
	<-ctx.Done()

	return ctx.Err()
}

// printStep prints one step.
func (d *demo) printStep(format string, args ...any) { fmt.Fprintf(d.out, "· "+format+"\n", args...) }

func (d *demo) startServers() (err error) {
	began := time.Now()

	d.stack, err = devstack.Start(d.ctx, devstack.Options{Persistent: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}

	d.stack.Keep(d.ctx, func(name string, err error) {
		if err != nil {
			d.broken <- err

			return
		}

		d.printStep("%s ended; started again", name)
	})

	d.fal, err = simulators.StartFal("127.0.0.1:0", "127.0.0.1:0", d.falOptions())
	if err != nil {
		return err
	}

	d.printStep("Postgres, Redis, S3 and a fal.ai simulator are up (%.1f s)", time.Since(began).Seconds())

	return nil
}

// stop ends what was started, users' side first, and waits for it.
func (d *demo) stop() {
	for _, c := range append([]*child{d.api, d.sched}, append(d.workers, d.auth)...) {
		c.askToEnd()
	}

	for _, c := range append([]*child{d.api, d.sched}, append(d.workers, d.auth)...) {
		c.wait()
	}

	if d.fal != nil {
		d.fal.Stop()
	}

	if d.creem != nil {
		d.creem.Stop()
	}

	if d.stack != nil {
		d.stack.Stop()
	}
}
