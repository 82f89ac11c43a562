package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"imagerun/internal/config"
	"imagerun/internal/telemetry"
)

// Process is one of the programs.
type Process struct {
	Name        config.Process
	Short, Long string
	// Run works until ctx ends. It calls up once, when it listens.
	Run func(ctx context.Context, cfg config.Config, log *slog.Logger, up func(Addrs)) error
	// Memory is how many bytes the Go runtime tries to stay within, unless GOMEMLIMIT says
	// otherwise; zero: it does not try.
	Memory int64
}

// Addrs say where a process listens, after the system has chosen among free ports.
type Addrs struct {
	Public  string // host:port; empty for processes without a public listener
	Private string // host:port of metrics and health
}

// Main is a process's main: flags, configuration, log, signals. It returns the exit code: 0 when
// it was told to stop, 1 when it broke, 2 when it was started wrongly.
func Main(p Process) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if p.Memory > 0 && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(p.Memory)
	}

	code := 2 // until the configuration is read, what is wrong is how it was started
	logged := false

	cmd := newCommand(p, func(c *cobra.Command, cfg config.Config, withParent bool) error {
		code = 1
		ctx := c.Context()

		if withParent {
			var cancel context.CancelFunc

			ctx, cancel = context.WithCancel(ctx)
			defer cancel()

			go func() {
				_, _ = io.Copy(io.Discard, os.Stdin)

				cancel()
			}()
		}

		log, err := NewLog(os.Stderr, string(p.Name), cfg.Log)
		if err != nil {
			return err
		}

		for _, risk := range cfg.AcceptedRisks {
			log.Warn("a risk of the configuration was accepted", slog.String("risk", risk))
		}

		err = p.Run(ctx, cfg, log, func(a Addrs) {
			log.Info("process started", slog.String("public_addr", a.Public), slog.String("private_addr", a.Private))
		})
		if err != nil {
			log.Error("process broke", slog.Any("error", err))
		}

		logged = true

		return err
	})

	if err := cmd.ExecuteContext(ctx); err != nil {
		if !logged {
			fmt.Fprintf(os.Stderr, "%s: %s\n", p.Name, telemetry.Scrub(err.Error()))
		}

		return code
	}

	return 0
}

func newCommand(p Process, run func(c *cobra.Command, cfg config.Config, withParent bool) error) *cobra.Command {
	var (
		file, queues string
		withParent   bool
	)

	c := &cobra.Command{
		Use:   string(p.Name),
		Short: p.Short,
		Long: p.Long + `

It is configured by a YAML file and by the environment, which wins: the key postgres.url is the
variable ` + config.Variable("postgres.url") + `. Required: ` + strings.Join(config.Needs(p.Name), ", ") + `.
` + "`imagerun config example`" + ` prints every key with its meaning.`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			environ := os.Environ()
			if queues != "" {
				environ = append(environ, config.Variable("worker.queues")+"="+queues)
			}

			cfg, err := config.Load(p.Name, file, environ)
			if err != nil {
				return fmt.Errorf("the configuration is not valid:\n%w", err)
			}

			return run(c, cfg, withParent)
		},
	}
	c.Flags().StringVar(&file, "config", "", "the YAML file to read; empty: the one that "+config.FileVariable+" names, or none")
	c.Flags().BoolVar(&withParent, "with-parent", false, "stop when standard input ends, so as not to outlive its parent")

	if p.Name == config.ProcessWorker {
		c.Long += `

Queue groups, each with workers of its own, and the queues that share them:
` + describeGroups() + `
Where several queues wait, a queue of weight 4 has four jobs begun for one of weight 1.`
		c.Example = "  worker --queues generation=50\n  worker --queues vendor=10,retention=4"
		c.Flags().StringVar(&queues, "queues", "", `queue groups to serve and how many jobs of each run at once, as "generation=50,vendor=10"; over worker.queues`)
	}

	return c
}

// ignoreStop turns the end of ctx into a clean exit.
func ignoreStop(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || err == nil) {
		return nil
	}

	return err
}
